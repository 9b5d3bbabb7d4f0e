"""Tests of `soundlink_assets.warehouse`."""
