"""Protocol of an archive, and choice of the archive for a name or a folder: MAST, the public bucket, a folder."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.archive.remote import MastArchive, PublicArchive
from wfc3tvb.config import LEAST_ROWS, MOST_ROWS, MeasureSettings, Selection, Services
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.models import OrbitElements, ReadCube, Row

#: Noise per pixel in a median over an interval of 100 s [electron], fraction of the pixels that are sky, and pixels
#: in a row. Two reads and 1 electron/s give 18 electrons, and a median is 1.25 times noisier than a mean.
NOISE_PER_PIXEL, SKY_FRACTION, LINE = 22.0, 0.75, 1014


def open_source(place: str | Path = "auto", *, services: Services | None = None) -> Archive:
    """Open the archive with a given name, or a folder of files.

    Parameters
    ----------
    place : str or Path, optional
        ``s3`` or ``auto`` (both: S3, and MAST for files that S3 lacks), ``mast``, or a folder.
    services : Services, optional
        Addresses of S3 and MAST, timeouts and retries.

    Raises
    ------
    BadArgumentError
        If `place` is neither such a name nor a folder.
    """
    services = services or Services()
    if place == "mast":
        return MastArchive(services)
    if place in ("s3", "auto"):
        return PublicArchive(services)
    return folder_archive(Path(place))


def folder_archive(folder: Path) -> FolderArchive:
    """Open a folder of files.

    Raises
    ------
    BadArgumentError
        If there is no such folder.
    """
    # `wfc3tvb simulate` writes a folder `truth` beside its files.
    return FolderArchive(folder, "simulated" if (folder / "truth").is_dir() else "local")


def rows_for_precision(precision: float) -> int:
    """Return the number of rows that gives the rate over 100 s a sampling error of `precision` [electron/s].

    80 rows give 0.0009 electron/s, and the error falls with the square root of their number. The error of the
    reference-pixel level, common to a whole read, is not included. The number holds for full frames (rows of a
    subarray have fewer pixels) and is kept within the limits of ``--rows``.

    Raises
    ------
    BadArgumentError
        If `precision` is not above zero.
    """
    if not precision > 0:
        raise BadArgumentError(f"precision {precision:g}: give a rate above zero, e.g. 0.001")
    n_pixels = (NOISE_PER_PIXEL / 100 / max(precision, 1e-9)) ** 2
    return int(min(max(math.ceil(n_pixels / SKY_FRACTION / LINE), LEAST_ROWS), MOST_ROWS))


@dataclass(frozen=True)
class Wanted:
    """An exposure to be measured, as the archive lists it."""

    rootname: str
    dataset: str
    asn_id: str | None
    generation_date: float | None


class Downloads(Protocol):
    """Source of whole files."""

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Download the whole file ``<rootname>_<suffix>.fits`` into `folder` and return its path.

        Raises
        ------
        MissingProductError
            If there is no such file, or access to it is refused.
        ServiceError
            If it cannot be fetched.
        """


class Archive(Downloads, Protocol):
    """Source of exposures: lists datasets and reads their files. Workers get a pickled copy, so it must be small."""

    @property
    def name(self) -> str:
        """Value of the column `source`: s3, mast, local, simulated."""

    @property
    def prefetch(self) -> int:
        """Number of exposures to read while one is measured; 0 if reading does not wait."""

    def shared_by(self, n_workers: int) -> Archive:
        """Return the archive for one of `n_workers` workers, which share the limit on requests in flight."""

    def datasets(self, selection: Selection) -> Iterable[Row]:
        """Yield the rows of `datasets` that match `selection`, members included.

        An archive that lists apertures adds one to each row, under ``aperture``.

        Raises
        ------
        UnknownDatasetError
            If one of the ids is unknown.
        ServiceError
            If the archive does not answer.
        """

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, OrbitElements | None]:
        """Return the reads of an exposure and, if it has an SPT, the orbit.

        Raises
        ------
        ServiceError, BadFileError
            If a file cannot be fetched, or is not a valid one of its kind.
        """

    def cost(
        self, rootname: str, settings: MeasureSettings, *, aperture: str | None, n_reads: float
    ) -> tuple[float, float]:
        """Estimate the requests and bytes needed to read an exposure.

        `aperture` is the one listed (None if the archive lists none), `n_reads` the usual number of reads.
        """

    def changed_at(self, rootname: str) -> float | None:
        """Return the time of the last change of an exposure's file [MJD, UTC]; None if only the list has it."""
