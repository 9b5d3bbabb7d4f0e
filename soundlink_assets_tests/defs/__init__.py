"""Tests of `soundlink_assets.defs`."""
