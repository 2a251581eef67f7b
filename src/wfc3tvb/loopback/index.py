"""Index the loopback archive's datasets and files, from a folder or from rows only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.time import Time

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.identifiers import is_association, split_filename
from wfc3tvb.models import Row

#: Products listed for an association and its members in an index without files.
SUFFIXES = ("asn", "raw", "ima", "flt", "spt")

#: Size listed for files in an index without files: that of a full-frame IMA of 16 reads [byte].
_USUAL_SIZE = 168_261_120
#: Start of an exposure without EXPSTART [MJD].
_UNKNOWN = 55000.0


@dataclass(frozen=True)
class Index:
    """Datasets and files of an archive.

    Attributes
    ----------
    datasets : list of rows
        Rows of table `datasets` (see `wfc3tvb.schema`), members included, with the aperture and the position ``ra``,
        ``dec`` [deg].
    files : mapping
        Path of each file by its name; empty if only rows are served.
    folder : Path, optional
        Folder of the files; keys in the bucket are relative to it.
    """

    datasets: list[Row]
    files: dict[str, Path] = field(default_factory=dict)
    folder: Path | None = None

    @classmethod
    def from_rows(cls, rows: Iterable[Row]) -> Index:
        """Make an index without files, e.g. of 100,000 simulated exposures."""
        return cls(list(rows))

    @classmethod
    def from_folder(cls, folder: Path) -> Index:
        """Read the headers of ``folder/hst/public``, laid out like the public bucket."""
        files = dict(_named(sorted((folder / "hst" / "public").rglob("*.fits"))))
        headers: dict[str, dict[str, Any]] = {}
        for name, path in files.items():
            root, suffix = split_filename(name)
            if suffix in ("ima", "raw", "flt") and root not in headers and not is_association(root):
                headers[root] = _header(path)
        groups: dict[str, list[str]] = {}
        for root, header in headers.items():
            asn = str(header.get("ASN_ID", "NONE")).strip().lower()
            groups.setdefault(asn if asn not in ("", "none") else root, []).append(root)
        rows = [_row(name, roots, [headers[r] for r in roots]) for name, roots in sorted(groups.items())]
        return cls(rows, files, folder)

    def products(self, dataset: Row) -> Iterator[tuple[str, str, int]]:
        """Yield rootname, file name and size of each product of a dataset."""
        for root in dict.fromkeys((str(dataset["dataset"]), *dataset["members"])):
            for name in self._names(root):
                path = self.files.get(name)
                yield root, name, path.stat().st_size if path else _USUAL_SIZE

    @cached_property
    def _by_root(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name in self.files:
            found.setdefault(split_filename(name)[0], []).append(name)
        return found

    def _names(self, root: str) -> list[str]:
        if self.files:
            return self._by_root.get(root, [])
        kinds = SUFFIXES[:1] if is_association(root) else SUFFIXES[1:]
        return [f"{root}_{kind}.fits" for kind in kinds]


def _named(paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    for path in paths:
        try:
            split_filename(path.name)
        except BadArgumentError:
            continue
        yield path.name, path


def _header(path: Path) -> dict[str, Any]:
    """Return the primary header; empty if it cannot be read, since damaged files are served too."""
    try:
        with path.open("rb") as file:
            return dict(fits.Header.fromfile(file))
    except (OSError, EOFError, ValueError, fits.VerifyError):
        return {}


def _row(name: str, roots: list[str], headers: list[dict[str, Any]]) -> Row:
    first = headers[0]
    made = Time([str(h.get("DATE", "2020-01-01T00:00:00")) for h in headers]).mjd
    return {
        "dataset": name,
        "asn_id": name if is_association(name) else None,
        "instrument_config": f"{first.get('INSTRUME', 'WFC3')}/{first.get('DETECTOR', 'IR')}",
        "filters": ";".join(sorted({str(h.get("FILTER", "")) for h in headers})),
        "proposal_id": int(first.get("PROPOSID", 0)),
        "pi": str(first.get("PR_INV_L", "")),
        "target_name": str(first.get("TARGNAME", "")),
        "start_time": min(float(h.get("EXPSTART", _UNKNOWN)) for h in headers),
        "stop_time": max(float(h.get("EXPEND", _UNKNOWN)) for h in headers),
        "sun_alt": float(first.get("SUN_ALT", 0)),
        "generation_date": float(max(made)),
        "aperture": str(first.get("APERTURE", "IR")),
        "ra": float(first.get("RA_TARG", 0)),
        "dec": float(first.get("DEC_TARG", 0)),
        "members": sorted(roots),
    }
