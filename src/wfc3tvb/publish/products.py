"""Repaired FLT and drizzled images of a release: copies with the keywords of high-level science products."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.time import Time

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadFileError
from wfc3tvb.publish.identity import LICENSE, LICENSE_URL, Release

#: Accepted products with the field, filter, times and origin of their exposures.
_ACCEPTED = """
SELECT r.product_id, r.kind, r.rootname, r.dataset, r.path, r.sha256, r.method,
       any_value(e.target_name) AS target, string_agg(DISTINCT e.filter, '-' ORDER BY e.filter) AS filter,
       min(e.expstart) AS expstart, max(e.expend) AS expend,
       bool_or(e.cal_ver LIKE 'wfc3tvb%' AND e.source IS DISTINCT FROM 'local') AS simulated
FROM reprocessed r JOIN exposures e ON e.dataset = r.dataset AND (r.kind = 'drz' OR e.rootname = r.rootname)
WHERE r.accepted GROUP BY ALL ORDER BY r.dataset, r.kind, r.rootname"""

#: Characters of a card for a text and its comment: 80 without keyword, quotes and separators.
_CARD_TEXT = 80 - len("KEYWORD1= '' / ")


@dataclass(frozen=True)
class Product:
    """A product in a release: its file, what it is, and the catalog's product_id."""

    path: Path
    text: str
    product_id: str


def write_products(catalog: Catalog, out: Path, release: Release) -> Iterator[Product]:
    """Copy every accepted product into a folder under its published name, with its keywords.

    Parameters
    ----------
    catalog : Catalog
        The catalog.
    out : Path
        Folder, which exists.
    release : Release
        Identity of the release.

    Raises
    ------
    BadFileError
        If a product is no longer where the catalog says.
    """
    for row in catalog.fetch(_ACCEPTED).to_pylist():
        source = Path(row["path"])
        if not source.is_file():
            problem = f"is in the catalog as product {row['product_id']}, but not on the disk"
            raise BadFileError(source, problem, "repair it again, or publish the tables alone (--tables-only)")
        name = release.file_name(
            f"{row['target'] or ''}-{row['rootname'] or row['dataset']}", row["filter"], row["kind"], "fits"
        )
        path = out / name
        shutil.copyfile(source, path)
        _add_keywords(path, keywords(row, release))
        yield Product(path, _text(row), row["product_id"])


def keywords(row: dict[str, Any], release: Release) -> dict[str, tuple[object, str]]:
    """Return the keywords of a product with their comments, in the order of the header."""
    begin, end = (Time(row[name], format="mjd", scale="utc") for name in ("expstart", "expend"))
    cards: dict[str, tuple[object, str]] = {
        "HLSPID": (release.collection, "identifier of the collection"),
        "HLSPNAME": (_ascii(release.title), "title of the collection"),
        "HLSPLEAD": (_ascii(release.creators[0]), "lead of the project"),
        "HLSPVER": (f"v{release.version}", "version of the data"),
        "HLSPTARG": (_ascii(row["target"] or ""), "target"),
        "DOI": (release.doi, "digital object identifier"),
        "LICENSE": (LICENSE, "licence of these data"),
        "LICENURL": (LICENSE_URL, ""),
        "TIMESYS": ("UTC", "time scale of the keywords below"),
        "DATE-BEG": (begin.isot, "begin of the first exposure"),
        "DATE-END": (end.isot, "end of the last exposure"),
        "MJD-BEG": (begin.mjd, "[d] the same as a modified Julian date"),
        "MJD-END": (end.mjd, "[d] the same as a modified Julian date"),
        "SIMULATD": (bool(row["simulated"]), "whether the exposures are simulated"),
    }
    return {name: (value, _comment(value, text)) for name, (value, text) in cards.items() if value is not None}


def _comment(value: object, comment: str) -> str:
    """Return the comment of a card if there is room for it beside a text; astropy would cut it, with a warning."""
    length = len(value.replace("'", "''")) if isinstance(value, str) else 0
    return comment if length + len(comment) <= _CARD_TEXT else ""


def _add_keywords(path: Path, cards: dict[str, tuple[object, str]]) -> None:
    with fits.open(path, mode="update", memmap=False) as hdus:
        hdus[0].header.update(cards)


def _ascii(text: str) -> str:
    """Return a text as a FITS header can hold it: without accents, a question mark for other letters, 68 characters."""
    plain = unicodedata.normalize("NFKD", text)
    letters = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return re.sub(r"[^ -~]", "?", letters)[:68]


def _text(row: dict[str, Any]) -> str:
    what = f"exposure {row['rootname']}" if row["kind"] == "flt" else f"association {row['dataset']}, drizzled"
    return f"{row['kind'].upper()} of {what}, repaired by {row['method']}"
