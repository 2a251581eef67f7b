"""Folder of FITS files used as an archive: flat, or laid out like the public bucket."""

from __future__ import annotations

import gzip
import logging
import math
import shutil
import zlib
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from wfc3tvb.archive.folder_index import files_of_kind
from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.dates import mjd_of
from wfc3tvb.errors import BadArgumentError, BadFileError, MissingProductError, UnknownDatasetError
from wfc3tvb.fits.association import read_members
from wfc3tvb.fits.blocks import BLOCK, LONGEST_HEADER, FileBytes, read_cards
from wfc3tvb.fits.cards import Cards
from wfc3tvb.fits.unpacked import gunzip, is_gzip
from wfc3tvb.identifiers import LARGEST_PROPOSAL, file_name, is_dataset_name
from wfc3tvb.models import ReadCube, Row
from wfc3tvb.schema import TABLES
from wfc3tvb.system.files import atomic_write

if TYPE_CHECKING:
    from wfc3tvb.models import OrbitElements

log = logging.getLogger(__name__)

#: Keywords from which the list of datasets is made.
_LISTED = ("ASN_ID", "DATE", "DETECTOR", "EXPEND", "EXPSTART", "FILTER", "INSTRUME", "PR_INV_L", "PROPOSID", "SUN_ALT",
           "TARGNAME")  # fmt: skip
#: Bytes of a header to read at a time; few, since a folder may hold thousands of files.
_STEP = 16 * BLOCK


@dataclass(frozen=True)
class FolderArchive:
    """The IMA files (and SPT, JIT, ASN) in a folder and below it.

    Attributes
    ----------
    folder : Path
        The folder.
    name : str
        Value of the column `source`: ``local`` or ``simulated``.
    """

    folder: Path
    name: str = "local"

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise BadArgumentError(
                f"there is no folder {self.folder}; give auto, s3, mast or a folder (parameter source)"
            )

    prefetch: ClassVar[int] = 0

    @property
    def references(self) -> Path | None:
        """Folder of the reference files beside simulated exposures; None where there is none."""
        folder = self.folder / "references"
        return folder if self.name == "simulated" and folder.is_dir() else None

    def shared_by(self, n_workers: int) -> FolderArchive:
        """Return itself."""
        return self

    def datasets(self, selection: Selection) -> Iterator[Row]:
        """Yield the datasets in the folder that match `selection`, sorted by name.

        The members of an association are taken from its ASN file and from ASN_ID in the headers of the exposures.
        A file that cannot be read is listed as a single exposure; measuring it reports what is wrong.

        Raises
        ------
        BadArgumentError
            If the folder has no IMA file at all.
        UnknownDatasetError
            If the folder has nothing for one of the ids.
        """
        headers = {root: _header(path) for root, path in sorted(self._files("ima").items())}
        if not headers and not selection.ids:
            problem = "no file in it has the name of an IMA file (such as ibohbfb9q_ima.fits)"
            raise BadArgumentError(f"{self.folder}: {problem}; give their folder (parameter source)")
        groups: dict[str, list[str]] = {}
        for root, header in headers.items():
            groups.setdefault(_association(header) or root, []).append(root)
        tables = self._files("asn")
        for name in sorted(groups):
            members = sorted({*groups[name], *(_members(tables[name]) if name in tables else ())})
            row = _dataset_row(name, members, [headers[root] for root in groups[name]])
            if _wanted(row, selection):
                yield row
        self._check_ids(selection, headers, groups)

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, OrbitElements | None]:
        """Return the reads of an exposure (with its observation log if it has a JIT), and the orbit if it has an SPT.

        Raises
        ------
        MissingProductError
            If its IMA is not in the folder.
        BadFileError
            If a file is not a valid one of its kind.
        """
        from wfc3tvb.fits.guiding import lock_lost
        from wfc3tvb.fits.ima import read_ima
        from wfc3tvb.fits.observation_log import find_jitter, jitter_names
        from wfc3tvb.fits.support_file import orbit_if_usable, read_orbit

        path, spt = self._needed(rootname, "ima"), self.path(rootname, "spt")
        cube = read_ima(path, rows=settings.rows, pstat=settings.pstat)
        names = jitter_names(rootname, _text(dict(cube.header), "ASN_ID"))
        tables, states = ([p for name in names if (p := self.path(name, suffix))] for suffix in ("jit", "jif"))
        cube = replace(
            cube,
            jitter=find_jitter(tables, rootname, cube.header.get("EXPSTART")),
            lock_lost=lock_lost(states, rootname),
        )
        return cube, orbit_if_usable(lambda: read_orbit(spt)) if spt else None

    def cost(
        self, rootname: str, settings: MeasureSettings, *, aperture: str | None, n_reads: float
    ) -> tuple[float, float]:
        """Return the number of files of an exposure, and their bytes."""
        found = [path for suffix in ("ima", "spt") if (path := self.path(rootname, suffix))]
        return len(found), sum(path.stat().st_size for path in found)

    def changed_at(self, rootname: str) -> float | None:
        """Return the time of the last change of the exposure's IMA [MJD, UTC]; None if there is none."""
        path = self.path(rootname, "ima")
        return None if path is None else mjd_of(datetime.fromtimestamp(path.stat().st_mtime, UTC))

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Copy a file into `folder` and return the path of the copy; the original stays untouched.

        The copy has the archive's name, in lower case, and is not packed.

        Raises
        ------
        MissingProductError
            If the archive's folder has no such file.
        BadFileError
            If it is packed by gzip and cannot be unpacked.
        """
        found, copy = self._needed(rootname, suffix), folder / file_name(rootname, suffix)
        with atomic_write(copy) as part:
            if is_gzip(found):
                part.write_bytes(gunzip(found).data)
            else:
                shutil.copyfile(found, part)
        return copy

    def path(self, rootname: str, suffix: str) -> Path | None:
        """Return the path of a file; None if there is none."""
        return self._files(suffix).get(rootname)

    def _needed(self, rootname: str, suffix: str) -> Path:
        path = self.path(rootname, suffix)
        if path is None:
            problem = f"no file {rootname}_{suffix}.fits"
            raise MissingProductError(
                str(self.folder), problem, "copy it into the folder, or take it from mast (parameter source)"
            )
        return path

    def _files(self, suffix: str) -> dict[str, Path]:
        return files_of_kind(self.folder, suffix)

    def _check_ids(self, selection: Selection, headers: Iterable[str], groups: Iterable[str]) -> None:
        known = {*headers, *groups}
        for name in selection.ids:
            if name not in known:
                raise UnknownDatasetError(name, f"the folder {self.folder}")


def _header(path: Path) -> dict[str, Any]:
    """Return the keywords of the primary header that a list needs; empty if the file cannot be read."""
    try:
        with gzip.open(path) if is_gzip(path) else nullcontext() as packed, FileBytes(path) as file:
            data = memoryview(packed.read(LONGEST_HEADER + BLOCK)) if packed else file
            cards = Cards(read_cards(data, 0, path, step=_STEP).decode("latin-1"), path)
    except (OSError, EOFError, zlib.error, BadFileError) as error:
        log.info("%s: cannot read the header: %s", path, error)
        return {}
    return {keyword: cards[keyword] for keyword in _LISTED if keyword in cards} if "SIMPLE" in cards else {}


def _association(header: dict[str, Any]) -> str | None:
    name = _text(header, "ASN_ID")
    return name.lower() if name and is_dataset_name(name) else None


def _members(path: Path) -> list[str]:
    """Return the exposures that an ASN file names and that were taken; none if it cannot be read."""
    try:
        names = [member.rootname for member in read_members(path) if member.present]
    except BadFileError as error:
        log.info("cannot read the members: %s", error)
        return []
    return [name for name in names if is_dataset_name(name)]


def _dataset_row(name: str, members: list[str], headers: list[dict[str, Any]]) -> Row:
    first = next((header for header in headers if header), {})
    starts = [x for x in (_float_card(h, "EXPSTART") for h in headers) if x is not None]
    stops = [x for x in (_float_card(h, "EXPEND") for h in headers) if x is not None]
    made = [x for x in (_date(h) for h in headers) if x is not None]
    filters = sorted({f for f in (_text(h, "FILTER") for h in headers) if f})
    proposal = _float_card(first, "PROPOSID") or 0.0
    return TABLES["datasets"].empty_row() | {
        "dataset": name,
        "asn_id": name if name[-1].isdigit() else None,
        "instrument_config": f"{first.get('INSTRUME')}/{first.get('DETECTOR')}" if first else None,
        "filters": ";".join(filters) or None,
        "proposal_id": int(proposal) if 0 < proposal < LARGEST_PROPOSAL else None,
        "pi": _text(first, "PR_INV_L"),
        "target_name": _text(first, "TARGNAME"),
        "start_time": min(starts, default=None),
        "stop_time": max(stops, default=None),
        "sun_alt": _float_card(first, "SUN_ALT"),
        "generation_date": max(made, default=None),
        "members": members,
    }


def _wanted(row: Row, selection: Selection) -> bool:
    """Return True if a dataset matches the selection; keywords that cannot be read match any value."""
    ids, filters = selection.ids, selection.wanted_filters
    start, found = row["start_time"], row["filters"]
    return (
        (not ids or bool({row["dataset"], *row["members"]} & set(ids)))
        and (not filters or found is None or bool(set(filters) & set(found.split(";"))))
        and (not selection.proposals or row["proposal_id"] in selection.proposals)
        and (selection.start is None or start is None or start >= selection.start)
        and (selection.end is None or start is None or start <= selection.end)
    )


def _text(header: dict[str, Any], keyword: str) -> str | None:
    value = header.get(keyword)
    return value.strip() or None if isinstance(value, str) else None


def _float_card(header: dict[str, Any], keyword: str) -> float | None:
    value = header.get(keyword)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _date(header: dict[str, Any]) -> float | None:
    """Return the date of creation of a file [MJD, UTC]."""
    try:
        return mjd_of(datetime.fromisoformat(str(header["DATE"])))
    except (KeyError, ValueError):
        return None
