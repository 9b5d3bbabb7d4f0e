"""Tests of `soundlink_assets.metrics`."""
