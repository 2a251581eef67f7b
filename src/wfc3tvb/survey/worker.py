"""Read one exposure and measure it, as a worker of the survey.

Worker processes import this module and nothing of the catalog, so that they start fast and stay small.
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

#: Makes rows of the reads of an exposure and its orbit.
Measure = Callable[..., Measurement]
#: The module that most of a worker's start goes into.
MEASURING = "wfc3tvb.measurement"


@dataclass(frozen=True)
class MeasureExposure:
    """The worker: read one exposure and measure it."""

    source: Archive
    settings: MeasureSettings
    run_id: str
    measure: Measure | None = None
    threads: int = 1

    @property
    def prefetch(self) -> int:
        """How many exposures to read while one is measured."""
        return self.source.prefetch

    def fetch(self, item: Wanted) -> tuple[ReadCube, OrbitElements | None]:
        """Return the reads of an exposure and its orbit.

        Raises
        ------
        TvbError
            With its `stage`, where the exposure cannot be had or read.
        """
        with _reading():
            cube, orbit = self.source.read(item.rootname, self.settings)
            if cube.rootname != item.rootname:
                # Its rows would take the place of another exposure's.
                problem = f"its header says that it is {cube.rootname!r}"
                raise BadFileError(f"{item.rootname}_ima.fits", problem, "check the copy")
        return cube, orbit

    def finish(self, item: Wanted, fetched: tuple[ReadCube, OrbitElements | None]) -> Measurement:
        """Return the rows of an exposure, its provenance filled in.

        Raises
        ------
        TvbError
            With its `stage`, where the exposure cannot be measured.
        """
        cube, orbit = fetched
        with stage("measure"):
            measured = (self.measure or _measure_cube(self.threads))(cube, orbit, self.settings)
        row = measured.exposure
        return replace(measured, exposure=row | self._provenance(item, row, cube.n_bytes))

    def __call__(self, item: Wanted) -> Measurement:
        """Return the rows of an exposure; raises as `fetch` and `finish`."""
        return self.finish(item, self.fetch(item))

    def _provenance(self, item: Wanted, row: Row, n_bytes: int) -> Row:
        made = row["archive_generation_date"] if item.generation_date is None else item.generation_date
        return {
            "dataset": item.dataset,
            "asn_id": item.asn_id,
            "archive_generation_date": made,
            "bytes_read": n_bytes,
            "source": self.source.name,
            "measured_at": mjd_now(),
            "run_id": self.run_id,
        }


@contextmanager
def _reading() -> Iterator[None]:
    """Name the step of what goes wrong before there are reads: ``fetch`` for services, ``read`` for files."""
    with stage("read"):
        try:
            yield
        except ServiceError as error:
            error.stage = "fetch"
            raise


def _measure_cube(threads: int) -> Measure:
    from wfc3tvb.measurement import measure_cube

    return partial(measure_cube, threads=threads)
