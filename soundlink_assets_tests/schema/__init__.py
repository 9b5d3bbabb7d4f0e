"""Tests of `soundlink_assets.schema`."""
