"""The catalog: Delta tables, DuckDB views of them, documented queries, exports, releases and checks."""
