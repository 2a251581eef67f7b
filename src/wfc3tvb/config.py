"""Frozen settings. Parameters that decide numbers go into provenance; places and addresses do not."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from wfc3tvb.instrument import helium_filters

DEFAULT_CATALOG = Path("tvb-catalog")
MAST_URL = "https://mast.stsci.edu"
CRDS_URL = "https://hst-crds.stsci.edu"


@dataclass(frozen=True)
class MeasureSettings:
    """What decides the numbers of a curve: the rows of `reads`, and the sky columns of `exposures`."""

    #: A read is used when its interval is at least this long [s] ...
    min_interval: float = 5.0
    #: ... and its error at most this [electron/s].
    max_rate_err: float = 0.1
    #: Fewer used reads than this: no sky, no score.
    min_reads: int = 3
    #: Systematic error of an interval rate [electron/s] (an assumption; `wfc3tvb null` measures it).
    systematic: float = 0.02
    #: Fill `cumulative_median` (all pixels, as wfc3tools.pstat).
    pstat: bool = False
    #: Detector rows to measure; None means all.
    rows: int | None = None


@dataclass(frozen=True)
class Selection:
    """Which datasets a survey asks the archive for; what is empty or None does not restrict."""

    #: Associations, datasets or rootnames, lower case.
    ids: tuple[str, ...] = ()
    proposals: tuple[int, ...] = ()
    #: Filters; None means `helium_filters`, or any filter where `ids` name what is wanted; ("all",) means any.
    filters: tuple[str, ...] | None = None
    #: Window of the start time [MJD, UTC].
    start: float | None = None
    end: float | None = None
    #: At most this many exposures are measured.
    limit: int | None = None

    @property
    def wanted_filters(self) -> tuple[str, ...] | None:
        """Filters that pass; None means any."""
        if self.filters is None:
            return None if self.ids else helium_filters()
        return None if "all" in self.filters else self.filters


@dataclass(frozen=True)
class Services:
    """Where the outside world is; the environment overrides it, so that a loopback archive can stand in."""

    mast: str = field(default_factory=lambda: os.environ.get("WFC3TVB_MAST_URL", MAST_URL))
    s3: str | None = field(default_factory=lambda: os.environ.get("AWS_ENDPOINT_URL_S3"))
    crds: str = field(default_factory=lambda: os.environ.get("CRDS_SERVER_URL", CRDS_URL))
    crds_path: Path = field(
        default_factory=lambda: Path(os.environ.get("CRDS_PATH", Path.home() / "crds_cache")).expanduser()
    )
    #: Seconds that a socket may stay silent, and how often a request is tried again.
    timeout: float = 60.0
    retries: int = 5
    #: Seconds before the first retry; doubled for each further one, plus a random part.
    backoff: float = 0.5
    #: Requests in flight to MAST, by all workers of a survey together; to S3 twice as many.
    connections: int = 32
