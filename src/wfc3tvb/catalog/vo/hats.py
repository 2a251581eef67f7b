"""HATS catalogs of the exposures and their reads: Parquet files by HEALPix pixel, which LSDB opens.

Source: HATS (IVOA Note "HATS", 2025). Each catalog is a collection of the rows and of a margin, the rows around every
pixel, so that a crossmatch misses none across the edge of a pixel.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.time import Time
from duckdb import DuckDBPyRelation
from numpy.typing import NDArray

from wfc3tvb import __version__
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.formats import parquet
from wfc3tvb.catalog.formats.column_notes import noted
from wfc3tvb.catalog.formats.rows import BATCH_ROWS, Rows
from wfc3tvb.catalog.release import write_texts
from wfc3tvb.catalog.vo.sky_partition import CELL_ORDER, MARGIN, Pixel, around, cells_of, partition, pixel_of
from wfc3tvb.curve.footprint import HEALPIX_ORDER
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.schema import TABLES
from wfc3tvb.system.files import remove_tree, replace_folder

log = logging.getLogger(__name__)

#: Most exposures in a file (60 MB in memory), where they do not share a place of 3 arcmin.
MAX_ROWS = 50_000
_WHOLE, _MARGIN, _COLLECTION = "catalog", f"margin_{MARGIN}arcsec", "collection.properties"
#: Rows of a table, each with the place of a pixel; the table `placed` has pairs of cell and place.
_SELECT = {
    "exposures": "SELECT e.*, place FROM exposures e JOIN placed ON healpix >> {shift} = cell",
    "reads": """SELECT r.*, ra, dec, healpix, place
        FROM reads r JOIN exposures e USING (rootname) JOIN placed ON healpix >> {shift} = cell""",
}
_KIND = {"exposures": "object", "reads": "source"}
_NOTE = "HATS catalogs: each folder is a table that is divided by position. Exposures without one are left out.\n\n"


def write_hats(catalog: Catalog, out: Path, *, max_rows: int = MAX_ROWS) -> Iterator[Path]:
    """Write a HATS catalog of the exposures and one of their reads, and yield what was written.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder, created if needed. Earlier HATS catalogs in it are replaced.
    max_rows : int, optional
        Most exposures in a file; the reads are divided like the exposures.

    Raises
    ------
    BadArgumentError
        If no exposure has a position, or other folders are in the place of the catalogs.
    """
    cells = np.sort(cells_of(_positions(catalog)))
    pixels = partition(cells, max_rows=max_rows)
    cells = np.unique(cells)
    places = {_WHOLE: (cells, pixel_of(cells, pixels)), _MARGIN: around(cells, pixels)}
    out.mkdir(parents=True, exist_ok=True)
    written = {}
    for name in _SELECT:
        with _replaced(out / name) as folder:
            for part, (cell, place) in places.items():
                catalog.connection.register("placed", pa.table({"cell": cell, "place": place}))
                found = _Part(catalog, name, part, pixels)
                n_rows = found.write(folder / part)
                if part == _WHOLE:
                    written[name] = out / name, n_rows
            _write_properties(folder / _COLLECTION, _collection(name))
        yield out / name
    yield from write_texts(catalog, out, written, how=how_to_read(), note=_NOTE)


def how_to_read() -> str:
    """Return the Python expression that opens a HATS catalog."""
    return 'lsdb.open_catalog("exposures")'


def _positions(catalog: Catalog) -> NDArray[np.int64]:
    """Return the column `healpix` of the exposures that have one."""
    rows = catalog.fetch("SELECT healpix, ra FROM exposures WHERE ra IS NOT NULL AND dec IS NOT NULL")
    found = rows["healpix"].drop_null().to_numpy()
    if lacking := rows.num_rows - len(found):
        log.warning("%d exposures are left out, without a HEALPix pixel; wfc3tvb rescore adds it", lacking)
    if not len(found):
        raise BadArgumentError("no exposure has a HEALPix pixel; run: wfc3tvb rescore, which adds it")
    return np.asarray(found, np.int64)


@contextmanager
def _replaced(folder: Path) -> Iterator[Path]:
    """Give a new folder, and put it in the place of an earlier catalog when it is complete."""
    if folder.exists() and not (folder / _COLLECTION).is_file():
        raise BadArgumentError(f"{folder}: exists and is not a HATS catalog; choose another folder")
    part = folder.with_name(f".part-{folder.name}")
    try:
        remove_tree(part)
        part.mkdir()
        yield part
        replace_folder(part, folder)
    finally:
        remove_tree(part)


@dataclass(frozen=True)
class _Part:
    """The rows of a table, or its margin, as a HATS dataset."""

    catalog: Catalog
    table: str
    name: str
    pixels: Sequence[Pixel]

    def write(self, folder: Path) -> int:
        """Write Parquet files, their metadata and the list of pixels into a folder, and return the number of rows."""
        schema = self._schema()
        footers: list[pq.FileMetaData] = []
        used: list[Pixel] = []
        (folder / "dataset").mkdir(parents=True)
        for place, slices in groupby(self._slices(), key=itemgetter(0)):
            pixel = self.pixels[place]
            path = folder / "dataset" / pixel.path
            path.parent.mkdir(parents=True, exist_ok=True)
            parquet.write_batches((rows for _, rows in slices), path, schema)
            footers.append(pq.read_metadata(path))
            footers[-1].set_file_path(pixel.path)
            used.append(pixel)
        pq.write_metadata(schema, folder / "dataset" / "_common_metadata")
        pq.write_metadata(schema, folder / "dataset" / "_metadata", metadata_collector=footers)
        lines = ["Norder,Npix", *(f"{pixel.order},{pixel.number}" for pixel in used)]
        (folder / "partition_info.csv").write_text("\n".join(lines) + "\n", encoding="ascii")
        n_rows = sum(int(footer.num_rows) for footer in footers)
        for name in ("hats.properties", "properties"):  # the second for readers of HATS before 1.0
            _write_properties(folder / name, self._properties(n_rows))
        return n_rows

    def _query(self, order: str = "") -> DuckDBPyRelation:
        shift = 2 * (HEALPIX_ORDER - CELL_ORDER)
        return self.catalog.sql(_SELECT[self.table].format(shift=shift) + order)

    def _slices(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Return pieces of the table in order of their pixels, each with the place of its pixel."""
        order = f" ORDER BY place, healpix, {', '.join(TABLES[self.table].key)}"
        for batch in self._query(order).to_arrow_reader(BATCH_ROWS):
            place = batch["place"].to_numpy()
            edges = [0, *(np.flatnonzero(np.diff(place)) + 1).tolist(), batch.num_rows]
            rows = batch.drop_columns(["place"])
            for first, end in pairwise(edges):
                if end > first:
                    yield int(place[first]), rows.slice(first, end - first)

    def _schema(self) -> pa.Schema:
        """Return the columns with units, descriptions, and the longest texts."""
        columns = {c.name: c for name in ("exposures", self.table) for c in TABLES[name].columns}

        def read() -> Iterator[pa.RecordBatch]:
            return (batch.drop_columns(["place"]) for batch in self._query().to_arrow_reader(BATCH_ROWS))

        fields = pa.schema([f for f in self._query(" LIMIT 0").to_arrow_table().schema if f.name != "place"])
        rows = Rows(fields, read, 0, {name: columns[name] for name in fields.names})
        return noted(rows.schema, rows.columns, parquet.notes(rows))

    def _properties(self, n_rows: int) -> dict[str, object]:
        """Return the properties of the dataset, by their names in HATS."""
        kind: dict[str, object] = {"dataproduct_type": _KIND[self.table]}
        if self.name == _MARGIN:
            kind = {"dataproduct_type": "margin", "hats_primary_table_url": _WHOLE, "hats_margin_threshold": MARGIN}
        return {
            "obs_collection": f"wfc3tvb_{self.table}" + ("" if self.name == _WHOLE else f"_{self.name}"),
            **kind,
            "hats_nrows": n_rows,
            "hats_col_ra": "ra",
            "hats_col_dec": "dec",
            "hats_col_healpix": "healpix",
            "hats_col_healpix_order": HEALPIX_ORDER,
            "hats_npix_suffix": ".parquet",
            "hats_order": max(pixel.order for pixel in self.pixels),
            "moc_sky_fraction": round(sum(4.0**-pixel.order for pixel in self.pixels) / 12, 8),
            "hats_version": "v1.0",
            "hats_builder": f"wfc3tvb {__version__}",
            "hats_creation_date": Time.now().utc.strftime("%Y-%m-%dT%H:%MUTC"),
        }


def _collection(table: str) -> dict[str, object]:
    return {
        "obs_collection": f"wfc3tvb_{table}",
        "hats_primary_table_url": _WHOLE,
        "all_margins": _MARGIN,
        "default_margin": _MARGIN,
    }


def _write_properties(path: Path, values: Mapping[str, object]) -> None:
    path.write_text("".join(f"{name}={value}\n" for name, value in values.items()), encoding="ascii")
