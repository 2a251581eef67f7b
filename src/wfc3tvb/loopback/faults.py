"""Faults to simulate, and the log of all requests."""

from __future__ import annotations

import json
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO


@dataclass
class Faults:
    """Faults that the loopback archive simulates; counts are used up.

    Attributes
    ----------
    long_polls : int
        Number of times that CAOM answers EXECUTING.
    mast_503, s3_503 : int
        Number of requests answered with 503.
    retry_after : float, optional
        Retry-After of a 503 [s].
    cut_after, cut_times : int
        The next `cut_times` downloads end after `cut_after` bytes.
    missing : set of str
        Names of files answered with 404.
    proprietary : set of str
        Names of files that the bucket lacks and MAST serves only to requests with `token`.
    token : str
        Value of ``MAST_API_TOKEN`` that has access to these.
    latency : float
        Delay of each answer [s].
    bytes_per_second : float, optional
        Rate of the simulated link, which all connections share.
    no_ranges : bool
        Answer range requests with the whole file.
    max_rows : int, optional
        Number of rows to which the list of datasets is silently cut.
    refuse_config : bool
        Refuse the search criterion ``sci_instrument_config``.
    most_products : int, optional
        Number of datasets above which a request for products is refused.
    not_in_bucket : set of str
        Names of files that the bucket lacks and MAST has.
    pages : int
        Number of files in place of which a page is sent, with status 200.
    caom_503 : int
        Number of requests to CAOM answered with 503.
    crds_503 : int
        Number of requests to CRDS answered with 503.
    crds_delay : float
        Delay of each answer of CRDS, in addition to `latency` [s].
    wrong_checksum, wrong_length : set of str
        Names of mappings and references for which CRDS publishes a wrong checksum or length, and of files that the
        others serve with a wrong checksum.
    """

    long_polls: int = 0
    mast_503: int = 0
    s3_503: int = 0
    retry_after: float | None = None
    cut_after: int = 0
    cut_times: int = 0
    missing: set[str] = field(default_factory=set)
    proprietary: set[str] = field(default_factory=set)
    token: str = "owner"
    latency: float = 0.0
    bytes_per_second: float | None = None
    no_ranges: bool = False
    max_rows: int | None = None
    refuse_config: bool = False
    most_products: int | None = None
    not_in_bucket: set[str] = field(default_factory=set)
    pages: int = 0
    caom_503: int = 0
    crds_503: int = 0
    crds_delay: float = 0.0
    wrong_checksum: set[str] = field(default_factory=set)
    wrong_length: set[str] = field(default_factory=set)
    _link_free: float = field(default=0.0, repr=False)

    def take(self, name: str) -> bool:
        """Use up one of a counted fault; return True if there was one left."""
        left = int(getattr(self, name))
        if left > 0:
            setattr(self, name, left - 1)
        return left > 0

    def seconds_for(self, n_bytes: int) -> float:
        """Return the time until the link has carried another `n_bytes` [s]."""
        if not self.bytes_per_second:
            return 0.0
        now = time.monotonic()
        self._link_free = max(now, self._link_free) + n_bytes / self.bytes_per_second
        return self._link_free - now


@dataclass(frozen=True)
class Access:
    """One request: service (mast, s3, crds), method, path, status, bytes of the body sent, start and end [s]."""

    service: str
    method: str
    path: str
    status: int
    n_bytes: int
    began: float = 0.0
    ended: float = 0.0


@dataclass
class AccessLog:
    """Log of all requests with exact byte counts; also written as JSON lines if `path` is given."""

    path: Path | None = None
    entries: list[Access] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _file: TextIO | None = field(default=None, repr=False)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def add(self, entry: Access) -> None:
        """Record a request."""
        with self._lock:
            self.entries.append(entry)
            if self.path:
                self._file = self._file or self.path.open("a", buffering=1)
                self._file.write(json.dumps(entry.__dict__) + "\n")

    def by_file(self) -> dict[str, tuple[int, int]]:
        """Return the number of GETs and bytes of each file."""
        found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for entry in list(self.entries):
            name = entry.path.rsplit("/", 1)[-1]
            if entry.method == "GET" and name.endswith(".fits"):
                found[name][0] += 1
                found[name][1] += entry.n_bytes
        return {name: (n, size) for name, (n, size) in found.items()}

    @property
    def n_bytes(self) -> int:
        """Bytes of all bodies sent."""
        return sum(entry.n_bytes for entry in list(self.entries))
