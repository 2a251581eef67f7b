"""Settings, frozen. Parameters that affect results are recorded as provenance; folders and addresses are not."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from wfc3tvb.instrument import helium_filters
from wfc3tvb.system.home import ensure_home

MAST_URL = "https://mast.stsci.edu"
CRDS_URL = "https://hst-crds.stsci.edu"
#: Rows of a large frame that are fetched by default; the fewest and the most that can be asked for.
BAND_ROWS, LEAST_ROWS, MOST_ROWS = 80, 8, 1014


@dataclass(frozen=True)
class MeasureSettings:
    """Parameters of a measurement, which determine the rows of `reads` and the sky and scores of `exposures`."""

    #: A read is used when its interval is at least this long [s] ...
    min_interval: float = 5.0
    #: ... and its error at most this [electron/s].
    max_rate_err: float = 0.1
    #: Fewer used reads than this: no sky, no score.
    min_reads: int = 3
    #: Systematic error of an interval rate [electron/s], in scores and in the fit of a visit (an assumption;
    #: `wfc3tvb systematic` measures it).
    systematic: float = 0.02
    #: Fill `cumulative_median` (all pixels, as wfc3tools.pstat).
    pstat: bool = False
    #: Middle rows of every frame to measure, all where it has fewer. None means every row that is read: all of a file
    #: that is read whole (local ones, subarrays), `BAND_ROWS` of a frame that is fetched from an archive by ranges.
    rows: int | None = None
    #: Folder in which each exposure's CRREJTAB is read; None means the published threshold of the table's name.
    iref: str | None = None


@dataclass(frozen=True)
class Selection:
    """Selection of datasets for a survey; fields left out do not restrict it, except that `filters` has a default."""

    #: Associations, datasets or rootnames, lower case.
    ids: tuple[str, ...] = ()
    proposals: tuple[int, ...] = ()
    #: Filters; None means `helium_filters`, or any filter where `ids` are given; ("all",) means any.
    filters: tuple[str, ...] | None = None
    #: Window of the start time [MJD, UTC].
    start: float | None = None
    end: float | None = None
    #: At most this many exposures are measured.
    limit: int | None = None

    @property
    def wanted_filters(self) -> tuple[str, ...] | None:
        """Filters that are selected; None means any."""
        if self.filters is None:
            return None if self.ids else helium_filters()
        return None if "all" in self.filters else self.filters


def _folder(variable: str) -> Path | None:
    """Return the folder that an environment variable names, absolute; None where it is not set, or empty.

    Child processes run in other folders, where a relative path would mean another one.
    """
    text = os.environ.get(variable)
    return Path(os.path.expanduser(text)).absolute() if text else None  # noqa: PTH111 (Path's fails without a home)


@dataclass(frozen=True)
class Services:
    """Addresses of services and folders of references; environment variables override them (loopback archive)."""

    mast: str = field(default_factory=lambda: os.environ.get("WFC3TVB_MAST_URL") or MAST_URL)
    s3: str | None = field(default_factory=lambda: os.environ.get("AWS_ENDPOINT_URL_S3") or None)
    crds: str = field(default_factory=lambda: os.environ.get("CRDS_SERVER_URL") or CRDS_URL)
    crds_path: Path = field(default_factory=lambda: _folder("CRDS_PATH") or ensure_home() / "crds_cache")
    #: Folder that ``iref$`` in the names of reference files means (the variable is calwf3's); None where it is not set.
    iref: Path | None = field(default_factory=lambda: _folder("iref"))
    #: Seconds to wait for data on a socket, and number of times that a request is tried again.
    timeout: float = 60.0
    retries: int = 5
    #: Seconds before the first retry; doubled for each later one, plus a random part.
    backoff: float = 0.5
    #: Requests in flight to MAST, by all workers of a survey together; to S3 twice as many.
    connections: int = 32
