"""What Dagster sees: partitions, assets, checks, the job, its schedule and sensors.

Thin: the work is in `provider`, `metrics` and `warehouse`, and heavy libraries are imported in the
functions that use them, so that the definitions load quickly. Wiring is in `definitions`.

The way of a verdict: `schema.rules` says what should hold, `metrics.evaluation` finds the rows that
fail, `checks` makes a verdict of them, `verdicts` records it for each day.
"""
