"""Estimate of the bytes, reference files, time and memory of a repair."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.config import Services
from wfc3tvb.parallel.workers import HERE, Workers
from wfc3tvb.references.crds import cache_folder
from wfc3tvb.repair.choose import Chosen, frame_size
from wfc3tvb.repair.model import Member, Repair, ReprocessSettings, memory_limit_mb, scratch_bytes

#: Bytes per pixel of a dark (for each of its 16 reads: SCI, ERR, DQ, SAMP and TIME are all stored), of the two flats
#: (pixel-to-pixel, delta) and of the linearity file; and bytes of all tables and headers. The files for an exposure of
#: SPARS100 in F140W (CRDS context hst_1075): dark 302.6 MB, flats 10.5 each, linearity 79.9, all 404.7.
_DARK_BYTES, _FLAT_BYTES, _LINEARITY_BYTES, _TABLE_BYTES = 18, 20, 77, 3_000_000
#: Pixels of a full frame, of which flats and linearity file are, also for subarrays.
_FULL_FRAME = 1024**2
#: Earlier datasets are similar if their typical time is within this factor.
_SIMILAR = 3.0


@dataclass(frozen=True)
class PlannedExposure:
    """Exposure of a plan.

    Attributes
    ----------
    rootname, dataset : str
        Its name, and that of its dataset.
    method : str
        Method of its repair; perform where it is only recalibrated.
    gain_mag : float or None
        Depth that it is expected to gain [mag]; None where not known.
    reason : str
        Reason for the method.
    """

    rootname: str
    dataset: str
    method: str
    gain_mag: float | None
    reason: str


@dataclass(frozen=True)
class RepairPlan:
    """Plan of a run of repairs.

    Attributes
    ----------
    datasets : tuple of str
        Datasets to repair.
    n_repaired, n_recalibrated : int
        Number of exposures to repair, and to recalibrate with them.
    exposures : tuple of PlannedExposure
        Exposures of the datasets.
    methods : mapping
        Number of exposures by method.
    n_known : int
        Number of datasets already repaired by the same method, which are left out.
    unflagged : tuple of str
        Requested datasets without flagged exposures.
    fetch_bytes, scratch_bytes : int
        Bytes to fetch, and free disk space needed during the run.
    reference_mb : float
        Largest size of the reference files to fetch [Mbyte].
    reference_folder : str
        Folder of the reference files.
    jobs : int
        Number of worker processes.
    wall_s, peak_mb : float
        Time with these workers [s], and memory of the largest [Mbyte].
    measured_on : int
        Number of earlier datasets on which time and memory are based; 0 means typical values.
    alone : tuple of str
        Datasets that are too large to share the memory with others.
    notes : tuple of str
        Notes on the run.
    """

    datasets: tuple[str, ...]
    n_repaired: int
    n_recalibrated: int
    exposures: tuple[PlannedExposure, ...]
    methods: Mapping[str, int]
    n_known: int
    unflagged: tuple[str, ...]
    fetch_bytes: int
    scratch_bytes: int
    reference_mb: float
    reference_folder: str
    jobs: int
    wall_s: float
    peak_mb: float
    measured_on: int
    alone: tuple[str, ...]
    notes: tuple[str, ...]


def summarize(
    catalog: Catalog, chosen: Chosen, services: Services, settings: ReprocessSettings, *, workers: Workers = HERE
) -> RepairPlan:
    """Estimate the work of repairing the chosen datasets.

    Parameters
    ----------
    catalog : Catalog
        Catalog with earlier repairs, from which time, memory and the references in the cache are taken.
    chosen : Chosen
        The datasets.
    services : Services
        Addresses of CRDS and its cache.
    settings : ReprocessSettings
        Settings of the repair.
    workers : Workers, optional
        Processes or cluster to use.
    """
    members = [member for repair in chosen.due for member in repair.members]
    methods: dict[str, int] = {}
    for member in members:
        methods[member.method] = methods.get(member.method, 0) + 1
    predicted = _predict(catalog, chosen.due, workers)
    limit, asked = memory_limit_mb(settings), settings.references == "crds"
    folder = cache_folder(services) if asked else services.iref or Path()
    threads = workers.threads or 1
    shared = workers.count > 1 and len(chosen.due) > 1
    return RepairPlan(
        datasets=tuple(repair.dataset for repair in chosen.due),
        n_repaired=sum(m.repaired for m in members),
        n_recalibrated=sum(not m.repaired for m in members),
        exposures=tuple(
            PlannedExposure(member.rootname, repair.dataset, member.method, member.gain_mag, member.reason)
            for repair in chosen.due
            for member in repair.members
        ),
        methods=methods,
        n_known=len(chosen.known),
        unflagged=chosen.unflagged,
        fetch_bytes=sum(repair.fetch_bytes for repair in chosen.due),
        scratch_bytes=scratch_bytes(chosen.due, workers.count),
        reference_mb=_reference_bytes(catalog, members, folder) / 1e6 if asked else 0.0,
        reference_folder=str(folder),
        jobs=workers.count,
        wall_s=predicted.seconds,
        peak_mb=predicted.peak_mb,
        measured_on=predicted.measured_on,
        alone=tuple(each.dataset for each in chosen.due if shared and each.memory_mb(threads) * workers.count > limit),
        notes=(*chosen.notes, *_memory_notes(chosen.due, limit)),
    )


@dataclass(frozen=True)
class _Predicted:
    """Predicted time [s] and memory [Mbyte], and the number of earlier datasets on which they are based."""

    seconds: float
    peak_mb: float
    measured_on: int


def _predict(catalog: Catalog, due: Sequence[Repair], workers: Workers) -> _Predicted:
    """Predict time and memory from typical values for the sizes, scaled by the ratio found in earlier runs."""
    typical = sum(repair.typical_seconds for repair in due)
    memory = max((repair.memory_mb(workers.threads_each) for repair in due), default=0.0)
    mean = typical / max(len(due), 1)
    history = _history(catalog)
    similar = [each for each in history if mean / _SIMILAR < each[0].typical_seconds < mean * _SIMILAR] or history
    if similar:
        typical *= float(np.median([seconds / repair.typical_seconds for repair, seconds, _ in similar]))
        memory *= float(np.median([peak / repair.memory_mb() for repair, _, peak in similar]))
    # A worker takes whole datasets.
    rounds = -(-len(due) // workers.count) / max(len(due), 1)
    return _Predicted(typical * rounds, memory, len(similar))


def _history(catalog: Catalog) -> list[tuple[Repair, float, float]]:
    """Return the datasets repaired before, with the time [s] and memory [Mbyte] that they took."""
    text = (
        "SELECT r.dataset, sum(r.wall_s), max(r.peak_rss_mb), "
        "list({rootname: e.rootname, subarray: e.subarray, aperture: e.aperture, nsamp: e.nsamp}) "
        "FROM reprocessed r LEFT JOIN exposures e ON r.rootname = e.rootname "
        "WHERE r.wall_s IS NOT NULL AND r.peak_rss_mb IS NOT NULL GROUP BY r.dataset, r.run_id"
    )
    found = []
    for dataset, seconds, peak, rows in catalog.sql(text).fetchall():
        members = tuple(
            Member(row["rootname"], "", "", n_pixels=frame_size(row) ** 2, nsamp=row["nsamp"] or 16)
            for row in rows
            if row["rootname"]
        )
        if members:
            found.append((Repair(dataset, members), float(seconds), float(peak)))
    return found


def _memory_notes(due: Sequence[Repair], limit: float) -> Iterator[str]:
    for repair in due:
        if (need := repair.memory_mb(1)) > limit:
            sizes = f"may need {need / 1000:.1f} GB of memory, and the limit is {limit / 1000:.1f} GB"
            yield f"{repair.dataset}: {sizes}; drizzled out of core"


def _reference_bytes(catalog: Catalog, members: Iterable[Member], folder: Path) -> int:
    """Return an upper limit for the bytes of reference files to fetch, if those of one sequence or filter are the same.

    Exposures like those of an earlier run need none if its files are still in the cache.
    """
    text = (
        'SELECT DISTINCT e.samp_seq, e.filter, r."references" FROM reprocessed r '
        "JOIN exposures e ON r.rootname = e.rootname"
    )
    cached = {
        (samp_seq, filter)
        for samp_seq, filter, names in catalog.sql(text).fetchall()
        if names and all((folder / each["name"]).exists() for each in json.loads(names).values())
    }
    missing = [m for m in members if (m.samp_seq, m.filter) not in cached]
    if not missing:
        return 0
    darks = {(m.samp_seq, m.n_pixels): m.n_pixels * 16 * _DARK_BYTES for m in missing}
    flats = _FLAT_BYTES * len({m.filter for m in missing})
    return sum(darks.values()) + _FULL_FRAME * (flats + _LINEARITY_BYTES) + _TABLE_BYTES
