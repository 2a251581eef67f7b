"""The archive's list of WFC3/IR datasets until 2014, and what it implies: sequences, and when the exposures were taken.

The list is MAST's, saved on 3 January 2014 by G. Brammer (github.com/gbrammer/wfc3, data/hst_search.txt.gz): 23,284
associations and single exposures in seven filters, F110W not among them. It has no members, sequences or times of the
exposures in an association.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from wfc3tvb.dates import DAY
from wfc3tvb.simulate.timing import SAMPLE_TIMES

Floats = NDArray[np.float64]
Row = dict[str, str]

#: Longest sequence usual in one exposure [s]; where nothing else is known, an association has no longer exposures.
_USUAL = 1600.0
#: Rounding of the time of an exposure in the table of sequences [s].
_ROUNDING = 0.002
_MOST_EXPOSURES = 24
#: Smallest angle from the sunlit and from the dark limb at which the telescope observes [deg].
LIMBS = 15.0, 7.0


@dataclass(frozen=True)
class Dataset:
    """Dataset of the list; times in MJD (UTC) and s, angles in deg, names in lower case."""

    name: str
    asn_id: str | None
    filter: str
    aperture: str
    proposal_id: int
    pi: str
    target: str
    ra: float
    dec: float
    start: float
    stop: float
    exptime: float

    @property
    def visit(self) -> str:
        """First six characters of the name."""
        return self.name[:6]


@dataclass(frozen=True)
class Sequence:
    """Sequence that an exposure time implies: name, reads with the zeroth, exposures of the dataset."""

    name: str
    nsamp: int
    n_exposures: int


def read_list(path: Path) -> list[Dataset]:
    """Return the datasets of the list, sorted by name."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[1:]  # the first has types
    times = (Time([row[name] for row in rows], scale="utc").mjd.tolist() for name in ("Start Time", "Stop Time"))
    found = [_dataset(row, start, stop) for row, start, stop in zip(rows, *times, strict=True)]
    return sorted(found, key=lambda each: each.name)


def _dataset(row: Row, start: float, stop: float) -> Dataset:
    return Dataset(
        name=row["Dataset"].lower(),
        asn_id=None if row["Asn ID"] == "NONE" else row["Asn ID"].lower(),
        filter=row["Filters/Gratings"].strip(),
        aperture=row["Apertures"].strip(),
        proposal_id=int(row["Proposal ID"]),
        pi=row["PI Last Name"].strip(),
        target=row["Target Name"].strip(),
        ra=float(row["RA (J2000)"]),
        dec=float(row["Dec (J2000)"]),
        start=start,
        stop=stop,
        exptime=float(row["Exp Time"]),
    )


def frame_size(aperture: str) -> int:
    """Return the size of the frame of an aperture [pixel]."""
    return next((size for size in (512, 256, 128, 64) if str(size) in aperture), 1024)


def sequences(dataset: Dataset) -> list[Sequence]:
    """Return the sequences with which a dataset's exposure time agrees, those of the fewest exposures.

    Exposures of an association are taken to be alike or, if no such sequence agrees, to be of one sequence with two
    numbers of reads.
    """
    tables = {name: times for (size, name), times in SAMPLE_TIMES.items() if size == frame_size(dataset.aperture)}
    most = 1 if dataset.asn_id is None else _MOST_EXPOSURES
    found = list(_alike(tables, dataset.exptime, most)) or list(_mixed(tables, dataset.exptime, most))
    fewest = min((each.n_exposures for each in found), default=0)
    return [each for each in found if each.n_exposures == fewest]


def _alike(tables: dict[str, tuple[float, ...]], total: float, most: int) -> Iterator[Sequence]:
    for name, times in tables.items():
        for k, time in enumerate(times):
            n = round(total / time)
            if 1 <= n <= most and abs(n * time - total) <= _ROUNDING * n:
                yield Sequence(name, k + 2, n)


def _mixed(tables: dict[str, tuple[float, ...]], total: float, most: int) -> Iterator[Sequence]:
    """Yield sequences with two numbers of reads above 4; that of the longer exposures is returned."""
    for name, times in tables.items():
        for short, long in combinations(range(3, len(times)), 2):
            for n_long in range(1, min(most, int(total / times[long])) + 1):
                n_short = round((total - n_long * times[long]) / times[short])
                n = n_short + n_long
                away = abs(n_short * times[short] + n_long * times[long] - total)
                if 1 <= n_short <= most - n_long and away <= _ROUNDING * n:
                    yield Sequence(name, long + 2, n)


def usual_number(dataset: Dataset) -> int:
    """Return the number of exposures of a dataset whose sequence is not known."""
    return 1 if dataset.asn_id is None else max(1, int(np.ceil(dataset.exptime / _USUAL)))


def starts(dataset: Dataset, n: int, mjd: Floats, limb_angle: Floats, bright_limb: NDArray[np.bool_]) -> Floats:
    """Return probable starts of the exposures of a dataset [MJD].

    They lie between the start and the stop of the dataset, evenly among the places where one fits while the target is
    far enough from the limb; the first begins at the start.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    n : int
        Number of exposures.
    mjd, limb_angle, bright_limb : ndarray
        Times within it, the first at its start, and the view then.
    """
    length = dataset.exptime / n / DAY
    free = limb_angle > np.where(bright_limb, *LIMBS)
    edges = np.flatnonzero(np.diff(free.astype(int), prepend=0, append=0)).reshape(-1, 2)
    places = [place for first, end in edges for place in _places(mjd[first], mjd[end - 1], length, most=n)]
    if len(places) < n:
        return dataset.start + np.linspace(0, max(mjd[-1] - mjd[0] - length, 0), n)
    return np.array(places)[np.linspace(0, len(places) - 1, n).round().astype(int)]


def _places(start: float, end: float, length: float, *, most: int) -> Floats:
    """Return starts of as many exposures as fit into a time, at most `most`, spread evenly."""
    n = min(int((end - start) / length + 0.1), most)
    return start + np.linspace(0, max(end - start - length, 0), n)
