"""What a survey needs of a place that holds exposures, be it S3, MAST or a folder, and what it asks of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.exposure import ReadCube, Row

if TYPE_CHECKING:
    from wfc3tvb.exposure import OrbitElements


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
