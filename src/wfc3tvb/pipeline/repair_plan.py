"""What a repair will take: bytes, references, time, memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from wfc3tvb.config import Services
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.io.crds import cache_folder
from wfc3tvb.pipeline.repair_choose import Chosen
from wfc3tvb.pipeline.repair_model import AHEAD, Member, scratch_bytes

#: Bytes a pixel of references: a dark per read, a flat, the linearity file; and tables.
_DARK_BYTES, _FLAT_BYTES, _LINEARITY_BYTES, _TABLE_BYTES = 10, 10, 78, 10_000_000
#: Seconds for a million pixels of an exposure, and for a product beside that; memory of a worker [Mbyte].
_EXPOSURE_SECONDS, _PRODUCT_SECONDS, _WORKER_MB, _MB_PER_EXPOSURE = 3.0, 10.0, 600.0, 30.0


@dataclass(frozen=True)
class RepairPlan:
    """What a run would do.

    Attributes
    ----------
    datasets : tuple of str
        To be repaired.
    n_repaired, n_recalibrated : int
        Exposures repaired, and recalibrated beside them.
    methods : mapping
        Exposures by method.
    n_known : int
        Datasets repaired before by the same method; left alone.
    unflagged : tuple of str
        Datasets asked for in which nothing is flagged.
    fetch_bytes, scratch_bytes : int
        To fetch, and free space needed on the way.
    reference_mb : float
        Reference files to fetch at most [Mbyte].
    reference_folder : str
        Where they go.
    wall_s, peak_mb : float
        Time on one process [s], and memory of one [Mbyte].
    measured_on : int
        Products of earlier runs that time and memory are predicted from; 0 means typical values.
    """

    datasets: tuple[str, ...]
    n_repaired: int
    n_recalibrated: int
    methods: Mapping[str, int]
    n_known: int
    unflagged: tuple[str, ...]
    fetch_bytes: int
    scratch_bytes: int
    reference_mb: float
    reference_folder: str
    wall_s: float
    peak_mb: float
    measured_on: int


def summarize(catalog: Catalog, chosen: Chosen, services: Services) -> RepairPlan:
    """Return what repairing the chosen datasets takes."""
    members = [member for repair in chosen.due for member in repair.members]
    methods: dict[str, int] = {}
    for member in members:
        methods[member.method] = methods.get(member.method, 0) + 1
    seconds, memory, n = _history(catalog)
    megapixels = sum(m.n_pixels * m.nsamp / 16 / 2**20 for m in members)
    predicted = len(members) * seconds if n else megapixels * _EXPOSURE_SECONDS + len(chosen.due) * _PRODUCT_SECONDS
    largest = max((len(r.members) * r.members[0].n_pixels / 2**20 for r in chosen.due), default=0.0)
    return RepairPlan(
        datasets=tuple(repair.dataset for repair in chosen.due),
        n_repaired=sum(m.repaired for m in members),
        n_recalibrated=sum(not m.repaired for m in members),
        methods=methods,
        n_known=len(chosen.known),
        unflagged=chosen.unflagged,
        fetch_bytes=sum(repair.fetch_bytes for repair in chosen.due),
        scratch_bytes=scratch_bytes(chosen.due, AHEAD),
        reference_mb=_reference_bytes(catalog, members, cache_folder(services)) / 1e6,
        reference_folder=str(cache_folder(services)),
        wall_s=predicted,
        peak_mb=max(memory, _WORKER_MB + largest * _MB_PER_EXPOSURE),
        measured_on=n,
    )


def _history(catalog: Catalog) -> tuple[float, float, int]:
    """Return seconds an exposure, memory [Mbyte] and number of products of earlier runs."""
    text = (
        "SELECT sum(wall_s) / nullif(count(*) FILTER (kind = 'flt'), 0), max(peak_rss_mb), count(*) FROM reprocessed "
        "WHERE wall_s IS NOT NULL"
    )
    seconds, memory, n = catalog.sql(text).fetchall()[0]
    return float(seconds or 0.0), float(memory or 0.0), int(n or 0) if seconds else 0


def _reference_bytes(catalog: Catalog, members: Iterable[Member], folder: Path) -> int:
    """Return at most how many bytes of references are to be fetched.

    Kinds of exposures that an earlier run repaired need nothing where its files are still in the cache.
    """
    text = (
        'SELECT DISTINCT e.samp_seq, e.filter, r."references" FROM reprocessed r '
        "JOIN exposures e ON r.rootname = e.rootname"
    )
    have = {
        (samp_seq, filter)
        for samp_seq, filter, names in catalog.sql(text).fetchall()
        if names and all((folder / each["name"]).exists() for each in json.loads(names).values())
    }
    missing = [m for m in members if (m.samp_seq, m.filter) not in have]
    if not missing:
        return 0
    darks = {(m.samp_seq, m.n_pixels): m.n_pixels * 16 * _DARK_BYTES for m in missing}
    flats = {(m.filter, m.n_pixels): m.n_pixels * _FLAT_BYTES for m in missing}
    return sum(darks.values()) + sum(flats.values()) + missing[0].n_pixels * _LINEARITY_BYTES + _TABLE_BYTES
