"""Statements that would write, to be rejected by every interface of a catalog."""

from __future__ import annotations

import os
from pathlib import Path

_COPY = "COPY (SELECT 1 AS gone) TO '{parquet}' (FORMAT parquet)"
_WIPE = "COPY (SELECT 1 AS p, 2 AS q) TO '{folder}/reads' (FORMAT csv, PARTITION_BY (p), OVERWRITE)"
_STATEMENTS = f"""
EXPLAIN ANALYZE {_COPY}
explain analyze copy (select 1 as gone) to '{{parquet}}'
/* a */ EXPLAIN /* b */ ANALYZE -- c{{line}}{_COPY}
EXPLAIN (ANALYZE) {_COPY}
EXPLAIN (ANALYZE, FORMAT json) {_COPY}
EXPLAIN (FORMAT json) {_COPY}
EXPLAIN ANALYZE {_WIPE}
EXPLAIN ANALYZE COPY (SELECT 1) TO '{{new}}/x.csv'
EXPLAIN ANALYZE COPY (SELECT 1) TO '{{relative}}'
EXPLAIN ANALYZE COPY (SELECT 1) TO 'file://{{parquet}}'
EXPLAIN ANALYZE COPY (SELECT 1) TO 'readonly://{{parquet}}'
EXPLAIN ANALYZE EXPORT DATABASE '{{new}}/export'
EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1
EXPLAIN ANALYZE CREATE OR REPLACE VIEW reads AS SELECT 1
EXPLAIN ANALYZE DROP VIEW reads
EXPLAIN ANALYZE CALL force_checkpoint()
EXPLAIN ANALYZE VACUUM
EXPLAIN ANALYZE CHECKPOINT
EXPLAIN ANALYZE ATTACH '{{new}}/x.duckdb'
EXPLAIN ANALYZE WITH a AS ({_COPY}) SELECT 1
WITH a AS ({_COPY}) SELECT 1
WITH a AS ({_WIPE}) SELECT 1
with a as materialized ({_COPY}) from a
WITH a AS (COPY (SELECT 1) TO '{{relative}}') SELECT 1
WITH a AS (COPY (SELECT 1) TO 'readonly://{{parquet}}') SELECT 1
WITH a AS (INSERT INTO reads SELECT * FROM reads) SELECT 1
WITH a AS (DELETE FROM reads) SELECT 1
WITH a AS ({_COPY}), b AS (FROM read_parquet('{{parquet}}')) SELECT 1
SELECT * FROM (WITH a AS ({_COPY}) SELECT 1)
SELECT (WITH a AS ({_COPY}) SELECT 1)
SELECT 1 UNION ALL (WITH a AS ({_COPY}) SELECT 1)
SUMMARIZE WITH a AS ({_COPY}) SELECT 1
DESCRIBE WITH a AS ({_COPY}) SELECT 1
WITH a AS ({_COPY}) PIVOT exposures ON filter USING count()
PIVOT (WITH a AS ({_COPY}) FROM exposures) ON filter USING count()
PIVOT (FROM query('{{quoted}}')) ON x USING count()
CREATE TABLE t AS PIVOT exposures ON filter USING count()
COPY (PIVOT exposures ON filter USING count()) TO '{{parquet}}'
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('{{quoted}}'))
SELECT * FROM "JSON_EXECUTE_serialized_sql"(json_serialize_sql('{{quoted}}'))
SELECT json_serialize_plan('{{quoted}}')
FROM query('{{quoted}}')
FROM system.main.query('{{quoted}}')
FROM enable_logging(storage := 'file', storage_path := '{{new}}')
FROM enable_profiling(save_location := '{{new}}/profile')
FROM checkpoint()
SELECT write_log('x')
{_COPY}
{_WIPE}
COPY (SELECT 1) TO '{{new}}/x.csv'
COPY (SELECT 1) TO '.tmp/x.csv'
COPY reads FROM '{{parquet}}'
EXPORT DATABASE '{{new}}/export'
EXPORT DATABASE '{{folder}}'
ATTACH '{{new}}/x.duckdb'
ATTACH '{{folder}}/catalog.duckdb' AS c
INSTALL httpfs
LOAD httpfs
UPDATE EXTENSIONS
PRAGMA profiling_output = '{{new}}/profile'
SET temp_directory = '{{new}}'
SELECT 1; {_COPY}
PREPARE p AS {_COPY}
CREATE PERSISTENT SECRET s (TYPE s3)
"""


def statements(folder: Path, new: Path) -> list[str]:
    """Return statements that overwrite or add files in a catalog, or write below the folder `new`."""
    parquet = next(folder.glob("exposures/*.parquet"))
    quoted = f"WITH a AS ({_COPY.format(parquet=parquet)}) SELECT 1 AS x".replace("'", "''")
    relative = os.path.relpath(parquet)
    names = {"folder": folder, "parquet": parquet, "new": new, "quoted": quoted, "relative": relative, "line": "\n"}
    return [line.format(**names) for line in _STATEMENTS.strip().splitlines()]


def contents(*folders: Path) -> dict[Path, bytes]:
    """Return every file below some folders."""
    return {path: path.read_bytes() for folder in folders for path in folder.rglob("*") if path.is_file()}
