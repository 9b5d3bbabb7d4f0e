"""Tests of reading distributors' statements."""
