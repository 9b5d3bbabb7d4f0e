"""Tests of `soundlink_assets.assets`."""
