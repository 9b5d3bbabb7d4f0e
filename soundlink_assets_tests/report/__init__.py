"""Tests of `soundlink_assets.report`."""
