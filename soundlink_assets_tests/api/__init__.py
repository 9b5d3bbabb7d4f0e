"""Tests of `soundlink_assets.api`."""
