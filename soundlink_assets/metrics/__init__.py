"""Derived tables as pure functions: rows in, rows out. No I/O, no Dagster, no DuckDB."""
