"""Frames to and from DuckDB, transactional. Knows tables, not what they mean.

Belongs here: the one place that opens the warehouse, its lock, the SQL that replaces and reads,
the IO manager, and what is kept beside a table (its history, its ledger). Does not belong here:
HTTP, the contract's rules, what a metric is.

Light, for the definitions: `types`, `errors`, `companions`, `io_manager`. The others import DuckDB
or polars and are imported where they are used:

- `connection`: `connect` (lock, file, errors) and `transaction`.
- `reading`: `read_frame` for any query, `load_table` and `load_cells` for what is stored.
- `writing`: `replace_cells` for deliveries; `frames`: `replace_days`, `replace_all`.
"""
