"""Release of a catalog: tables and accepted products in one folder, with everything that an archive asks for."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.formats import parquet
from wfc3tvb.catalog.formats.rows import Rows
from wfc3tvb.catalog.release import LICENSE_TEXT, is_synthetic, published_rows
from wfc3tvb.catalog.released import SUMS
from wfc3tvb.dates import mjd_now, moment_of
from wfc3tvb.errors import BadArgumentError, OutputExistsError
from wfc3tvb.progress import Progress, silent
from wfc3tvb.publish import metadata
from wfc3tvb.publish.documents import abstract, citation, columns_page, readme
from wfc3tvb.publish.explore import explore_page
from wfc3tvb.publish.identity import Release
from wfc3tvb.publish.manifest import Item, write_checksums, write_manifest
from wfc3tvb.publish.products import write_products
from wfc3tvb.schema import TABLES, Table
from wfc3tvb.system.files import checksum, remove_old, remove_tree, replace_folder

MANIFEST = "manifest.csv"
#: Values in a row group of a table: few enough that the rows of a visit, which are neighbours, are read by short
#: ranges, and many enough that the list of the groups stays short.
_GROUP_VALUES = 200_000
#: Age at which what a killed run has left beside a release is removed by the next [h].
_LEFT_HOURS = 24.0


def write_published(
    catalog: Catalog,
    out: Path,
    release: Release,
    *,
    products: bool = True,
    overwrite: bool = False,
    progress: Progress = silent,
) -> list[Path]:
    """Write a release into a folder, which appears under its name only when it is complete.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder of the release.
    release : Release
        Its identity; without a day, that of the catalog's last change.
    products : bool, optional
        Whether the accepted products are copied into it, or only the tables.
    overwrite : bool, optional
        Whether a folder that exists is replaced.
    progress : Progress, optional
        Progress of the files.

    Returns
    -------
    list of Path
        The files, in the order of the manifest.

    Raises
    ------
    OutputExistsError
        If the folder exists and is not empty, and may not be replaced.
    BadArgumentError
        If the folder to be replaced is not a release.
    BadFileError
        If a product is no longer where the catalog says.
    """
    _check_free(out, overwrite=overwrite)
    release = release if release.day else replace(release, day=_last_change(catalog))
    part = out.with_name(f".{out.name}.{os.getpid()}.part")
    remove_old(out.parent, f".{out.name}.*.part", hours=_LEFT_HOURS)
    remove_old(out.parent, f".{out.name}.*.old", hours=_LEFT_HOURS)
    remove_tree(part)
    part.mkdir(parents=True)
    try:
        names = [path.name for path in _write(catalog, part, release, products=products, progress=progress)]
        replace_folder(part, out)
    finally:
        remove_tree(part)
    return [out / name for name in names]


def _check_free(out: Path, *, overwrite: bool) -> None:
    """Raise if something stands in the place of the release that must not be replaced."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not overwrite:
        raise OutputExistsError(out)
    if not (out / MANIFEST).is_file():
        raise BadArgumentError(
            f"{out} is not a release (it has no {MANIFEST}), and is not replaced; choose another folder"
        )


def _write(catalog: Catalog, out: Path, release: Release, *, products: bool, progress: Progress) -> Iterator[Path]:
    """Write every file of a release, and yield it."""
    items = []
    for item in _data(catalog, out, release, products=products):
        items.append(item)
        yield item.path
        progress("files", len(items))
    synthetic = is_synthetic(catalog)
    text = abstract(synthetic=synthetic)
    pages = {
        "README.md": ("what this is, and how to read it", readme(release, items, synthetic=synthetic)),
        "COLUMNS.md": ("description of every column", columns_page(items)),
        "CITATION.cff": ("how to cite it", citation(release)),
        "LICENSE": ("licence", LICENSE_TEXT),
        ".zenodo.json": ("metadata for Zenodo", _json(metadata.zenodo(release, text))),
        "datacite.json": ("metadata of the DOI", _json(metadata.datacite(release, text))),
    }
    pages["explore.html"] = (
        "search, curves and SQL in a browser: serve this folder, or open the page and choose its Parquet files",
        explore_page(catalog, release, items, synthetic=synthetic),
    )
    for name, (what, page) in pages.items():
        (out / name).write_text(page, encoding="utf-8")
        items.append(Item(out / name, what))
        yield out / name
    yield write_manifest(items, out / MANIFEST)
    items.append(Item(out / MANIFEST, "every file with size, rows, checksum and description"))
    for name, record in (("datapackage.json", metadata.data_package), ("ro-crate-metadata.json", metadata.ro_crate)):
        (out / name).write_text(_json(record(release, items, text)), encoding="utf-8")
        yield out / name
    yield write_checksums(sorted(path for path in out.iterdir() if path.name != SUMS), out / SUMS)


def _data(catalog: Catalog, out: Path, release: Release, *, products: bool) -> Iterator[Item]:
    """Write tables and products."""
    place = _target(catalog)
    for table in TABLES.values():
        rows = published_rows(catalog, table)
        if table.name == "reprocessed" and products:
            continue
        yield _table(rows, out / release.file_name(*place, table.name, "parquet"), table)
    if products:
        yield from _products(catalog, out, release, place)


def _products(catalog: Catalog, out: Path, release: Release, place: tuple[str, str]) -> Iterator[Item]:
    """Write the products, and the table of them, whose paths are the names in this folder."""
    made = {product.product_id: product for product in write_products(catalog, out, release)}
    table = TABLES["reprocessed"]
    rows = published_rows(catalog, table)
    found = pa.Table.from_batches(rows.read(), rows.schema)
    names = [made[key].path.name if key in made else None for key in found["product_id"].to_pylist()]
    sums = [checksum(made[key].path) if key in made else None for key in found["product_id"].to_pylist()]
    for column, values in (("path", names), ("sha256", sums)):
        index = found.schema.get_field_index(column)
        found = found.set_column(index, found.schema.field(index), pa.array(values, pa.string()))
    named = replace(Rows.of_table(found), columns=rows.columns)
    yield _table(named, out / release.file_name(*place, table.name, "parquet"), table)
    for product in made.values():
        yield Item(product.path, product.text)


def _table(rows: Rows, path: Path, table: Table) -> Item:
    parquet.write(rows, path, group_rows=_GROUP_VALUES // len(table.columns))
    return Item(path, f"one row per {table.row}", table, rows.n_rows)


def _target(catalog: Catalog) -> tuple[str, str]:
    """Return target and filter for the names of tables: ``multi`` if there are several."""
    names = []
    for column in ("target_name", "filter"):
        values = catalog.fetch(f"SELECT DISTINCT {column} FROM exposures WHERE {column} IS NOT NULL LIMIT 2")
        names.append(values[column][0].as_py() if values.num_rows == 1 else "multi")
    return names[0], names[1]


def _last_change(catalog: Catalog) -> str:
    """Return the day on which the last run ended, so that the same catalog gives the same release."""
    ended = catalog.fetch("SELECT max(ended_at) AS mjd FROM runs")["mjd"][0].as_py()
    return moment_of(ended if ended is not None else mjd_now()).strftime("%Y-%m-%d")


def _json(record: dict[str, Any]) -> str:
    return json.dumps(record, indent=2, ensure_ascii=False) + "\n"
