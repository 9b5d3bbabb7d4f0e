"""The Soundlink API over HTTP: client, deliveries, errors, request budget. No Dagster, no DuckDB."""
