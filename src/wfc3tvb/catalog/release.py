"""Release of a catalog: one file per table, with README, checksums, licence and citation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wfc3tvb import __version__
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.export import how_to_read, write_table
from wfc3tvb.catalog.formats.rows import BATCH_ROWS, Rows
from wfc3tvb.catalog.released import SUMS
from wfc3tvb.catalog.views import RELATIONS
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.schema import SCHEMA_VERSION, TABLES, Table
from wfc3tvb.system.files import checksum, remove_old, write_text

_ENDINGS = {"votable": "vot"}
#: Age at which what a killed run has left in the folder is removed by the next [h].
_LEFT_HOURS = 24.0
#: Local paths are of no use to others: a product's path is cut to dataset, kind and file name, a folder's to its name.
_SELECT = {
    "reprocessed": "SELECT * REPLACE (regexp_extract(path, '[^/]+/[^/]+/[^/]+$') AS path) FROM reprocessed",
    "runs": """SELECT * REPLACE (regexp_replace(arguments, '"/[^"]*/', '"', 'g') AS arguments) FROM runs""",
}
_HEAD = """# A wfc3tvb catalog

{note}Tables of the time-variable background of Hubble WFC3/IR exposures, made by wfc3tvb {version} (schema {schema}).
Every column is described below, with its unit. Missing values are null. Read with {how}.

| file | rows | one row per |
|---|---|---|
"""
_FOOT = """
Checksums: `SHA256SUMS` (`sha256sum -c SHA256SUMS`). How to cite: `CITATION.cff`. Licence: `LICENSE`.
"""
#: Licence of tables, here and in what `publish` writes.
LICENSE_TEXT = """These tables and images may be used under the Creative Commons Attribution 4.0 International licence
(CC BY 4.0): https://creativecommons.org/licenses/by/4.0/legalcode

Please cite them as CITATION.cff says, and acknowledge the Mikulski Archive for Space Telescopes (MAST).
"""
_CITATION = """cff-version: 1.2.0
title: "A wfc3tvb catalog: time-variable background of WFC3/IR exposures"
message: "If you use these tables, please cite them, and acknowledge MAST."
type: dataset
authors:
  - name: "the wfc3tvb developers"
version: "{version}"
license: CC-BY-4.0
"""
_SYNTHETIC = "**Synthetic: the exposures in these tables are simulated, not observed.**\n\n"


def write_release(
    catalog: Catalog, out: Path, format: str, *, names: Sequence[str] = (), note: str = "", units: bool = False
) -> Iterator[Path]:
    """Write tables with README, citation, licence and checksums into a folder, and yield the files written.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder, created if needed.
    format : str
        One of `wfc3tvb.catalog.export.FORMATS`.
    names : sequence of str, optional
        Names of tables or views; by default all tables, from which the views follow.
    note : str, optional
        Markdown at the top of the README.
    units : bool, optional
        As in `wfc3tvb.catalog.export.write_table`.

    Raises
    ------
    BadArgumentError
        If the format or a name is unknown.
    """
    if unknown := [name for name in names if name not in RELATIONS]:
        raise BadArgumentError(f"there is no table or view {unknown[0]!r}; choose from {', '.join(RELATIONS)}")
    out.mkdir(parents=True, exist_ok=True)
    written: dict[str, tuple[Path, int]] = {}
    for name in dict.fromkeys(names) or TABLES:
        rows = published_rows(catalog, RELATIONS[name])
        path = write_table(rows, out / file_name(name, format), format, units=units)
        written[name] = path, rows.n_rows
        yield path
    yield from write_texts(
        catalog, out, written, how=how_to_read(file_name(next(iter(written)), format), format), note=note
    )


def write_texts(
    catalog: Catalog, out: Path, written: Mapping[str, tuple[Path, int]], *, how: str, note: str = ""
) -> Iterator[Path]:
    """Write README, citation, licence and checksums of tables beside them, and yield these files.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder of the tables.
    written : mapping
        Name of a table to its file or folder, and its number of rows.
    how : str
        Python expressions that read a table.
    note : str, optional
        Markdown at the top of the README.
    """
    remove_old(out, ".*.part", hours=_LEFT_HOURS)
    texts = {
        "README.md": _readme(written, (_SYNTHETIC if is_synthetic(catalog) else "") + note, how),
        "CITATION.cff": _CITATION.format(version=__version__),
        "LICENSE": LICENSE_TEXT,
    }
    for name, text in texts.items():
        write_text(out / name, text)
        yield out / name
    places = list(dict.fromkeys(path for path, _ in written.values()))
    inside = [sorted(path.rglob("*")) if path.is_dir() else [path] for path in places]
    files = [path for found in inside for path in found if path.is_file()] + [out / name for name in texts]
    sums = out / SUMS
    write_text(sums, "".join(f"{checksum(path)}  {path.relative_to(out)}\n" for path in files))
    yield sums


def published_rows(catalog: Catalog, table: Table) -> Rows:
    """Return the rows of a table in the order of its key, which are read from the catalog as they are written.

    They do not name places on the disk that the catalog was made on.
    """
    select = _SELECT.get(table.name, f"FROM {table.name}")
    (n_rows,) = catalog.sql(f"SELECT count(*) FROM ({select})").fetchall()[0]
    ordered = f"{select} ORDER BY {', '.join(table.key)}"
    columns = {column.name: column for column in table.columns}
    return Rows.of_query(lambda: catalog.sql(ordered).to_arrow_reader(BATCH_ROWS), n_rows, columns)


def is_synthetic(catalog: Catalog) -> bool:
    """Return whether a catalog contains simulated exposures: calibrated by this package, and not from a local folder.

    A real archive has no files calibrated by this package; those in a local folder may be real exposures.
    """
    where = "cal_ver LIKE 'wfc3tvb%' AND source IS DISTINCT FROM 'local'"
    return bool(catalog.sql(f"SELECT 1 FROM exposures WHERE {where} LIMIT 1").fetchall())


def file_name(table: str, format: str) -> str:
    """Return the name of a table's file."""
    return f"{table}.{_ENDINGS.get(format, format)}"


def _readme(written: Mapping[str, tuple[Path, int]], note: str, how: str) -> str:
    text = _HEAD.format(note=note, how=how, version=__version__, schema=SCHEMA_VERSION)
    shared = len({path for path, _ in written.values()}) < len(written)
    for name, (path, n) in written.items():
        text += f"| {path.name}{f': {name}' if shared else ''} | {n} | {RELATIONS[name].row} |\n"
    return text + "".join(table_section(RELATIONS[name]) for name in written) + _FOOT


def schema_markdown() -> str:
    """Return the description of every table and view as the Markdown in ``docs/catalog.md``."""
    return "".join(table_section(table) for table in RELATIONS.values()).lstrip()


def table_section(table: Table) -> str:
    """Return the description of a table's columns as Markdown."""
    lines = "".join(f"| {c.name} | {c.type} | {c.unit} | {c.description} |\n" for c in table.columns)
    head = "| column | type | unit | description |\n|---|---|---|---|\n"
    return f"\n## {table.name}\n\nOne row per {table.row}.\n\n{head}{lines}"
