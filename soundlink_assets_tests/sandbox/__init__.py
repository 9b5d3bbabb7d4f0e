"""Tests of `soundlink_assets.sandbox`."""
