"""Rows of a table that are written batch by batch, so that a table larger than the memory can be exported."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from wfc3tvb.catalog.formats.column_notes import notes_of
from wfc3tvb.schema import Column

#: Rows in a batch; a row of `exposures` takes a kilobyte.
BATCH_ROWS = 10_000
#: Rows in a row group of a table of the catalog: with 100,000 a visit among 10^6 exposures takes longer to find, with
#: 20,000 a count of all.
GROUP_ROWS = 50_000
#: Least length of a column of texts: to VOTable, one of length 1 is a column of single characters.
_SHORTEST = 2


@dataclass(frozen=True)
class Rows:
    """Rows that can be read several times.

    Attributes
    ----------
    schema : pyarrow.Schema
        Columns of the result.
    read : callable
        Returns an iterator over the batches, from the first row.
    n_rows : int
        Number of rows.
    columns : dict
        Name to `Column` of those columns that have a unit, description and UCD.
    """

    schema: pa.Schema
    read: Callable[[], Iterator[pa.RecordBatch]]
    n_rows: int
    columns: dict[str, Column]

    @classmethod
    def of_table(cls, table: pa.Table) -> Rows:
        """Return the rows of a table in memory."""

        def read() -> Iterator[pa.RecordBatch]:
            return iter(table.to_batches(max_chunksize=BATCH_ROWS))

        return cls(table.schema, read, table.num_rows, notes_of(table.schema))

    @classmethod
    def of_parquet(cls, path: Path, columns: dict[str, Column]) -> Rows:
        """Return the rows of a Parquet file, with the units and descriptions of some columns."""

        def read() -> Iterator[pa.RecordBatch]:
            with pq.ParquetFile(path) as file:
                yield from (batch.cast(schema) for batch in file.iter_batches(BATCH_ROWS))

        stored = pq.read_schema(path)
        schema = pa.schema([field.with_type(_plain(field.type)) for field in stored], stored.metadata)
        known = {name: columns[name] for name in schema.names if name in columns}
        return cls(schema, read, pq.read_metadata(path).num_rows, known)

    @classmethod
    def of_query(cls, query: Callable[[], pa.RecordBatchReader], n_rows: int, columns: dict[str, Column]) -> Rows:
        """Return the rows of a query, which is run each time that they are read."""
        return cls(query().schema, lambda: iter(query()), n_rows, columns)

    def flat(self) -> Rows:
        """Return the rows with nested values as text."""
        return Rows(flat_schema(self.schema), lambda: map(flatten_nested, self.read()), self.n_rows, self.columns)


class Extent:
    """What some formats must know of all rows before the first is written: lengths of texts, and which have nulls."""

    def __init__(self) -> None:
        self.lengths: dict[str, int] = {}
        self.with_nulls: set[str] = set()

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch into account; a list counts with its longest element."""
        for field, column in zip(batch.schema, batch.columns, strict=True):
            if column.null_count:
                self.with_nulls.add(field.name)
            texts = pc.list_flatten(column) if pa.types.is_list(field.type) else column
            if pa.types.is_string(texts.type):
                longest = pc.max(pc.utf8_length(texts)).as_py() or 0
                self.lengths[field.name] = max(self.lengths.get(field.name, _SHORTEST), longest)

    @classmethod
    def of(cls, rows: Rows) -> Extent:
        """Return the extent of all rows."""
        found = cls()
        found.lengths = {field.name: _SHORTEST for field in rows.schema if pa.types.is_string(_element(field.type))}
        for batch in rows.read():
            found.add(batch)
        return found


def flatten_nested(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch with lists joined to texts by semicolons, and other nested values as JSON."""
    if not any(pa.types.is_nested(kind) for kind in batch.schema.types):
        return batch
    columns = [_flat_column(column) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=flat_schema(batch.schema))


def flat_schema(schema: pa.Schema) -> pa.Schema:
    """Return a schema with text in place of nested types."""
    fields = [f.with_type(pa.string()) if pa.types.is_nested(f.type) else f for f in schema]
    return pa.schema(fields, schema.metadata)


def json_value(value: Any) -> Any:
    """Return a value that JSON can represent: NaN and infinity become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    return [json_value(item) for item in value] if isinstance(value, list) else value


def _element(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_list(kind) else kind


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type with texts as strings; the table library also writes views of texts, which few readers know."""
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    return pa.string() if pa.types.is_string_view(kind) or pa.types.is_large_string(kind) else kind


def _flat_column(column: pa.Array) -> pa.Array:
    if not pa.types.is_nested(column.type):
        return column
    return pa.array([None if value is None else _text(value) for value in column.to_pylist()], pa.string())


def _text(value: Any) -> str:
    if isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value):
        return ";".join(map(str, value))
    return json.dumps(json_value(value), default=str)
