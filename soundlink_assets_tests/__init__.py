"""Tests of `soundlink_assets`; the folders mirror its packages."""
