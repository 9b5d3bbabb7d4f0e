"""Tests of `soundlink_assets.contract`."""
