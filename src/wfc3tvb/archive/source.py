"""What a survey needs of a place that holds exposures, be it S3, MAST or a folder, and what it asks of it."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from wfc3tvb.archive.costs import cost_of
from wfc3tvb.archive.local_folder import LocalSource
from wfc3tvb.config import LEAST_ROWS, MOST_ROWS, MeasureSettings, Selection, Services
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.models import OrbitElements, ReadCube, Row

if TYPE_CHECKING:
    from wfc3tvb.models import OrbitElements

log = logging.getLogger(__name__)

#: Requests in flight that every worker has, however many there are.
LEAST_CONNECTIONS = 2
#: Noise that a pixel adds to a median over an interval of 100 s [electron], part of the pixels that are sky, and
#: pixels in a row. Two reads and 1 electron/s make 18 electrons, a median 1.25 times that.
NOISE_PER_PIXEL, SKY_FRACTION, LINE = 22.0, 0.75, 1014


@dataclass(frozen=True)
class MastSource:
    """MAST's lists and, over HTTPS, its files.

    Attributes
    ----------
    services : Services
        Where it is, and how patient to be.
    """

    services: Services = field(default_factory=Services)
    name: ClassVar[str] = "mast"
    #: Two exposures come while a third is measured: a link of long latency never waits for the next first bytes.
    ahead: ClassVar[int] = 2
    #: How many times the usual requests in flight its host bears.
    crowd: ClassVar[int] = 1

    def shared_by(self, n_workers: int) -> MastSource:
        """Return the source for each of so many workers: they share the requests in flight."""
        own = max(self.crowd * self.services.connections // n_workers, LEAST_CONNECTIONS)
        return replace(self, services=replace(self.services, connections=own))

    def datasets(self, selection: Selection) -> Iterable[Row]:
        """Yield the datasets that a selection asks for; see `wfc3tvb.archive.mast.Mast.datasets`."""
        from wfc3tvb.archive.mast import mast_of  # workers, who list nothing, start without astroquery

        return mast_of(self.services).datasets(selection)

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, OrbitElements | None]:
        """Return the reads of an exposure and the orbit; see `wfc3tvb.archive.byte_ranges.read_exposure`."""
        from wfc3tvb.archive.byte_ranges import read_exposure
        from wfc3tvb.archive.files import MastFiles, files_of  # what reads files is the workers' to import

        return read_exposure(files_of(MastFiles, self.services), rootname, settings)

    def cost(
        self, rootname: str, settings: MeasureSettings, *, aperture: str | None, n_reads: float
    ) -> tuple[float, float]:
        """Return the requests and bytes that an exposure takes; see `wfc3tvb.archive.costs.cost_of`."""
        return cost_of(aperture, settings, n_reads)

    def changed_at(self, rootname: str) -> float | None:
        """Return None: only the list says when a file changed."""
        return None


@dataclass(frozen=True)
class S3Source(MastSource):
    """MAST's lists, and files from the public bucket; those few that are not there come from MAST."""

    name: ClassVar[str] = "s3"
    crowd: ClassVar[int] = 2

    def read(self, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, OrbitElements | None]:
        """Return the reads of an exposure and the orbit; see `wfc3tvb.archive.byte_ranges.read_exposure`."""
        from wfc3tvb.archive.byte_ranges import read_exposure
        from wfc3tvb.archive.files import PublicFiles, files_of

        return read_exposure(files_of(PublicFiles, self.services), rootname, settings)


def open_source(place: str | Path = "auto", *, services: Services | None = None) -> Source:
    """Return the source that a name or a folder means.

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
        return MastSource(services)
    if place in ("s3", "auto"):
        return S3Source(services)
    # What `wfc3tvb simulate` wrote has its truth beside the files.
    return LocalSource(Path(place), "simulated" if (Path(place) / "truth").is_dir() else "local")


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


class Source(Protocol):
    """A place that holds exposures. It travels to the workers, so it is picklable and light."""

    @property
    def name(self) -> str:
        """What the column `source` says: s3, mast, local, simulated."""

    @property
    def ahead(self) -> int:
        """How many exposures to read while one is measured; none where reading does not wait."""

    def shared_by(self, n_workers: int) -> Source:
        """Return the source for each of so many workers, which together stay below what a host is asked at once."""

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

    def cost(
        self, rootname: str, settings: MeasureSettings, *, aperture: str | None, n_reads: float
    ) -> tuple[float, float]:
        """Return how many requests and bytes reading an exposure takes, as well as is known beforehand.

        `aperture` is what the list says (None where it says nothing), `n_reads` what such exposures have.
        """

    def changed_at(self, rootname: str) -> float | None:
        """Return when an exposure's file last changed [MJD, UTC]; None where only the list would say so."""
