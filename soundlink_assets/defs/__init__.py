"""What Dagster sees: partitions, assets, checks, job, schedule, sensor. Thin: the work is in
`api`, `contract`, `metrics` and `warehouse`."""
