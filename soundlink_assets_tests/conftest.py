"""Fixtures that several packages share."""
