"""Estimate of what a survey costs: requests, bytes and time."""

from __future__ import annotations

from dataclasses import dataclass

from wfc3tvb.archive.costs import MOST_READS
from wfc3tvb.archive.source import Archive
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.config import MeasureSettings
from wfc3tvb.survey.plan import Plan

#: Bytes that a worker reads and measures in a second, where the catalog knows of no earlier survey.
_FROM_DISK, _FETCHED = 6e8, 4e6
#: Surveys of fewer exposures than these say nothing of the speed of others.
_TELLING = 5

_READS = "SELECT aperture, avg(nsamp), count(*) FROM exposures WHERE nsamp IS NOT NULL GROUP BY aperture"
# Bytes a second and worker of the last survey of some size from the same source.
_SPEED = f"""
SELECT sum(bytes_read) / any_value(seconds * jobs) FROM exposures JOIN (
    SELECT run_id, (ended_at - started_at) * 86400 AS seconds, started_at,
        coalesce(CAST(arguments->>'$.jobs' AS INTEGER), 1) AS jobs
    FROM runs WHERE command = 'survey' AND ended_at > started_at AND arguments->>'$.source' = $source
) USING (run_id)
GROUP BY run_id HAVING count(*) >= {_TELLING} ORDER BY any_value(started_at) DESC LIMIT 1
"""


@dataclass(frozen=True)
class SurveyPlan:
    """Work that a survey would do.

    Attributes
    ----------
    n_datasets : int
        Datasets listed.
    n_exposures : int
        Exposures to be measured.
    n_known : int
        Exposures measured before and unchanged.
    n_given_up : int
        Exposures that failed before and are not tried again.
    requests, n_bytes : int
        Requests and bytes to be fetched, estimated.
    seconds : float
        Time it takes, estimated.
    basis : str
        Facts that the estimate is based on.
    """

    n_datasets: int
    n_exposures: int
    n_known: int
    n_given_up: int
    requests: int
    n_bytes: int
    seconds: float
    basis: str


def estimate(catalog: Catalog, plan: Plan, source: Archive, settings: MeasureSettings, jobs: int = 1) -> SurveyPlan:
    """Return what measuring would cost: by the apertures listed, and what the catalog knows of such exposures.

    Parameters
    ----------
    catalog : Catalog
        Whose earlier surveys tell the number of reads, and the speed.
    plan : Plan
        The exposures to be measured.
    source : Archive
        Where they are.
    settings : MeasureSettings
        How many rows of each read.
    jobs : int, optional
        Worker processes.
    """
    reads = {aperture: (mean, n) for aperture, mean, n in catalog.sql(_READS).fetchall()}
    n_known = sum(n for _, n in reads.values())
    requests = n_bytes = 0.0
    for aperture, n, some in plan.due_by_aperture():
        n_reads = reads.get(aperture, (MOST_READS, 0))[0]
        costs = [source.cost(rootname, settings, aperture=aperture, n_reads=n_reads) for rootname in some]
        requests += n * sum(cost[0] for cost in costs) / len(costs)
        n_bytes += n * sum(cost[1] for cost in costs) / len(costs)
    speed, measured = _speed(catalog, source)
    reads_from = f"reads as in {n_known} exposures measured before" if n_known else f"{MOST_READS} reads each"
    speed_from = "the speed of the last survey" if measured else f"{speed / 1e6:.0f} MB/s for each of {jobs} jobs"
    return SurveyPlan(
        plan.n_datasets,
        plan.n_due,
        plan.counts()["known"],
        plan.n_given_up,
        requests=round(requests),
        n_bytes=round(n_bytes),
        seconds=n_bytes / speed / jobs,
        basis=f"apertures as listed, {reads_from}, {speed_from}",
    )


def _speed(catalog: Catalog, source: Archive) -> tuple[float, bool]:
    """Return the bytes a second of a worker, and whether an earlier survey measured it."""
    found = catalog.sql(_SPEED, {"source": source.name}).fetchall()
    if found and found[0][0]:
        return float(found[0][0]), True
    return (_FROM_DISK if source.name in ("local", "simulated") else _FETCHED), False
