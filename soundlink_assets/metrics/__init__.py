"""Derived tables as pure functions: rows in, rows out. No I/O, no Dagster, no DuckDB.

`tables` describes the tables and needs the standard library only; the other modules compute them
with polars. What a delivered row is stands in `contract`; when a table is
computed stands in `defs`.

Every ratio is a sum divided by a sum, of counts and money; a ratio that the provider published is
never read. A zero or null denominator gives null. A null count is unknown: a sum of nothing but
nulls is null, and a ratio adds up only the rows that have both its numerator and its denominator.
"""
