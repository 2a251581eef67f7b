"""The catalog: Delta tables on disk, DuckDB views over them, documented queries, exports, releases, checks."""
