"""The protocol of an archive, and the archive that a name or a folder means: MAST, the public bucket, a folder."""

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

#: Noise that a pixel adds to a median over an interval of 100 s [electron], part of the pixels that are sky, and
#: pixels in a row. Two reads and 1 electron/s make 18 electrons, a median 1.25 times that.
NOISE_PER_PIXEL, SKY_FRACTION, LINE = 22.0, 0.75, 1014


def open_source(place: str | Path = "auto", *, services: Services | None = None) -> Archive:
    """Return the archive that a name or a folder means.

    Parameters
    ----------
    place : str or Path, optional
        ``s3``, ``mast``, ``auto`` (S3, and MAST for what S3 lacks; as ``s3``), or a folder.
    services : Services, optional
        Where S3 and MAST are.

    Raises
    ------
    BadArgumentError
        If it is none of these.
    """
    services = services or Services()
    if place == "mast":
        return MastArchive(services)
    if place in ("s3", "auto"):
        return PublicArchive(services)
    # What `wfc3tvb simulate` wrote has its truth beside the files.
    return FolderArchive(Path(place), "simulated" if (Path(place) / "truth").is_dir() else "local")


def rows_for_precision(precision: float) -> int:
    """Return the rows of a read to measure so that the sampling error of its rate, for 100 s, is `precision` [e-/s].

    80 rows give 0.0009 electron/s, and the error falls as the root of their number. What a whole read takes from
    its reference pixels is not part of it. It is the number for full frames, between the fewest and the most rows that
    ``--rows`` takes; the lines of a subarray have fewer pixels.

    Raises
    ------
    BadArgumentError
        If it is not above zero.
    """
    if not precision > 0:
        raise BadArgumentError(f"--precision {precision:g}: give a rate above zero, e.g. 0.001")
    n_pixels = (NOISE_PER_PIXEL / 100 / max(precision, 1e-9)) ** 2
    return int(min(max(math.ceil(n_pixels / SKY_FRACTION / LINE), LEAST_ROWS), MOST_ROWS))


@dataclass(frozen=True)
class Wanted:
    """An exposure to be measured, as the archive lists it."""

    rootname: str
    dataset: str
    asn_id: str | None
    generation_date: float | None


class Archive(Protocol):
    """A place that lists datasets and gives exposures. It travels to the workers, so it is picklable and light."""

    @property
    def name(self) -> str:
        """What the column `source` says: s3, mast, local, simulated."""

    @property
    def ahead(self) -> int:
        """How many exposures to read while one is measured; none where reading does not wait."""

    def shared_by(self, n_workers: int) -> Archive:
        """Return the archive for each of so many workers, which together stay below what a host is asked at once."""

    def datasets(self, selection: Selection) -> Iterable[Row]:
        """Yield the rows of `datasets` that `selection` asks for, members included.

        Where the place lists apertures, a row has its own under ``aperture`` besides.

        Raises
        ------
        UnknownDatasetError
            If nothing is known of one of its ids.
        ServiceError
            If the place does not answer.
        """

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, OrbitElements | None]:
        """Return the reads of an exposure and, where its SPT is there, the orbit.

        Raises
        ------
        ServiceError, BadFileError
            If it cannot be had, or is not what it should be.
        """

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        """Bring the file ``<rootname>_<suffix>.fits`` whole into `folder` and return its path.

        Raises
        ------
        MissingProductError
            If there is no such file, or it is not given out.
        ServiceError
            If it cannot be had.
        """

    def cost(
        self, rootname: str, settings: MeasureSettings, *, aperture: str | None, n_reads: float
    ) -> tuple[float, float]:
        """Return how many requests and bytes reading an exposure takes, as well as is known beforehand.

        `aperture` is what the list says (None where it says nothing), `n_reads` what such exposures have.
        """

    def changed_at(self, rootname: str) -> float | None:
        """Return when an exposure's file last changed [MJD, UTC]; None where only the list would say so."""
