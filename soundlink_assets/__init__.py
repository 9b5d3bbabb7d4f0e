"""A data platform for Soundlink campaign exports, built on Dagster.

Where to look:

- `definitions`: wires everything; the code location that Dagster loads.
- `settings`: every environment variable.
- `schema`: what tables and exports are: columns, keys, units, ratios, rules.
- `provider`: the Soundlink API over HTTP.
- `metrics`: derived tables and rules, rows in and rows out.
- `warehouse`: frames to and from DuckDB, as a file or a lake.
- `statements`: distributors' files as one table.
- `assets`: what Dagster sees.
- `report`: the HTML page.
- `sandbox`: a synthetic Soundlink API to run against.
- `cli`: the `soundlink-assets` command.
"""
