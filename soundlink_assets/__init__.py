"""A data platform for Soundlink campaign exports, built on Dagster.

Where to look:

- `definitions`: wires everything; the code location that Dagster loads.
- `settings`: every environment variable.
- `tables`: the vocabulary in which tables are described.
- `api`: the Soundlink API over HTTP.
- `contract`: what the provider's schema version 1.0 promises of a row.
- `metrics`: derived tables, rows in and rows out.
- `warehouse`: frames to and from DuckDB.
- `defs`: what Dagster sees.
- `sandbox`: a synthetic Soundlink API to run against.
- `cli`: the `soundlink-assets` command.
"""
