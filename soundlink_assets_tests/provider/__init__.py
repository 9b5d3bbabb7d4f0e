"""Tests of `soundlink_assets.provider`."""
