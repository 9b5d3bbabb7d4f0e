"""Frames to and from DuckDB, transactional. Knows tables, not what they mean."""
