"""Tests of `soundlink_assets.cli`."""
