"""Worker of the survey, which reads and measures exposures.

Worker processes import this module without the catalog, so that they start fast and need little memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from wfc3tvb.archive.source import Archive, Wanted
from wfc3tvb.config import MeasureSettings
from wfc3tvb.dates import mjd_now
from wfc3tvb.errors import BadFileError, ServiceError
from wfc3tvb.models import Measurement, OrbitElements, ReadCube, Row
from wfc3tvb.parallel.attempts import stage

#: Function that measures the reads of an exposure, given its orbit.
Measure = Callable[..., Measurement]
#: Module whose import takes most of a worker's start.
MEASURING = "wfc3tvb.measurement"


@dataclass(frozen=True)
class MeasureExposure:
    """Worker that reads and measures an exposure."""

    source: Archive
    settings: MeasureSettings
    run_id: str
    measure: Measure | None = None
    threads: int = 1

    @property
    def prefetch(self) -> int:
        """Number of exposures to read while another is measured."""
        return self.source.prefetch

    def fetch(self, item: Wanted) -> tuple[ReadCube, OrbitElements | None]:
        """Read an exposure, and return its reads and orbit.

        Raises
        ------
        TvbError
            If the exposure cannot be fetched or read; `stage` says which.
        """
        with _reading():
            cube, orbit = self.source.read(item.rootname, self.settings)
            if cube.rootname != item.rootname:
                # Its rows would replace those of another exposure.
                problem = f"ROOTNAME in its header is {cube.rootname!r}"
                raise BadFileError(f"{item.rootname}_ima.fits", problem, "check the copy")
        return cube, orbit

    def finish(self, item: Wanted, fetched: tuple[ReadCube, OrbitElements | None]) -> Measurement:
        """Measure an exposure, and return its rows with their provenance.

        Raises
        ------
        TvbError
            If the exposure cannot be measured.
        """
        cube, orbit = fetched
        with stage("measure"):
            measured = (self.measure or _measure_cube(self.threads))(cube, orbit, self.settings)
        row = measured.exposure
        return replace(measured, exposure=row | self._provenance(item, row, cube.n_bytes))

    def __call__(self, item: Wanted) -> Measurement:
        """Read and measure an exposure; errors as in `fetch` and `finish`."""
        return self.finish(item, self.fetch(item))

    def _provenance(self, item: Wanted, row: Row, n_bytes: int) -> Row:
        generated = row["archive_generation_date"] if item.generation_date is None else item.generation_date
        return {
            "dataset": item.dataset,
            "asn_id": item.asn_id,
            "archive_generation_date": generated,
            "bytes_read": n_bytes,
            "source": self.source.name,
            "measured_at": mjd_now(),
            "run_id": self.run_id,
        }


@contextmanager
def _reading() -> Iterator[None]:
    """Set the `stage` of errors during reading: ``fetch`` for services, ``read`` for files."""
    with stage("read"):
        try:
            yield
        except ServiceError as error:
            error.stage = "fetch"
            raise


def _measure_cube(threads: int) -> Measure:
    from wfc3tvb.measurement import measure_cube

    return partial(measure_cube, threads=threads)
