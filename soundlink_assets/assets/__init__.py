"""What Dagster sees: partitions, assets, checks, job, schedule, sensor.

Thin: the work is in `api`, `contract`, `metrics` and `warehouse`, and heavy libraries are imported
in the functions that use them, so that the definitions load quickly. Wiring is in `definitions`.
"""
