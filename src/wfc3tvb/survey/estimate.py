"""Estimate of the requests, bytes and time of a survey."""

from __future__ import annotations

from dataclasses import dataclass

from wfc3tvb.archive.costs import MOST_READS
from wfc3tvb.archive.source import Archive
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.config import MeasureSettings
from wfc3tvb.display import counted
from wfc3tvb.survey.plan import Plan

#: Bytes that a worker reads and measures per second, where the catalog has no earlier survey.
_FROM_DISK, _FETCHED = 6e8, 4e6
#: Smallest number of exposures of a survey from which the speed is taken.
_ENOUGH = 5

_READS = "SELECT aperture, avg(nsamp), count(*) FROM exposures WHERE nsamp IS NOT NULL GROUP BY aperture"
# Bytes per second and worker in the last sufficiently large survey of the same source.
_SPEED = f"""
SELECT sum(bytes_read) / any_value(seconds * jobs) FROM exposures JOIN (
    SELECT run_id, (ended_at - started_at) * 86400 AS seconds, started_at,
        coalesce(CAST(arguments->>'$.jobs' AS INTEGER), 1) AS jobs
    FROM runs WHERE command = 'survey' AND ended_at > started_at AND arguments->>'$.source' = $source
) USING (run_id)
GROUP BY run_id HAVING count(*) >= {_ENOUGH} ORDER BY any_value(started_at) DESC LIMIT 1
"""


@dataclass(frozen=True)
class SurveyPlan:
    """Estimated work of a survey.

    Attributes
    ----------
    n_datasets : int
        Datasets listed.
    n_exposures : int
        Exposures to measure.
    n_known : int
        Exposures measured before and unchanged.
    n_given_up : int
        Exposures that failed before and are not tried again.
    requests, n_bytes : int
        Estimated requests and bytes.
    seconds : float
        Estimated time.
    basis : str
        Basis of the estimate.
    n_expected : float
        Number of the exposures to measure that helium probably damages, by the table `forecast`.
    n_forecast : int
        Number of them that the table lists.
    """

    n_datasets: int
    n_exposures: int
    n_known: int
    n_given_up: int
    requests: int
    n_bytes: int
    seconds: float
    basis: str
    n_expected: float = 0.0
    n_forecast: int = 0


def estimate(catalog: Catalog, plan: Plan, source: Archive, settings: MeasureSettings, jobs: int = 1) -> SurveyPlan:
    """Estimate the work of a survey from the listed apertures and from earlier surveys in the catalog.

    Parameters
    ----------
    catalog : Catalog
        Catalog with earlier surveys, from which the number of reads and the speed are taken.
    plan : Plan
        Exposures to measure.
    source : Archive
        Source of the files.
    settings : MeasureSettings
        Settings, with the number of rows of each read.
    jobs : int, optional
        Worker processes.
    """
    reads = {aperture: (mean, n) for aperture, mean, n in catalog.sql(_READS).fetchall()}
    n_known = sum(n for _, n in reads.values())
    requests = n_bytes = 0.0
    for aperture, n, sample in plan.due_by_aperture():
        n_reads = reads.get(aperture, (MOST_READS, 0))[0]
        costs = [source.cost(rootname, settings, aperture=aperture, n_reads=n_reads) for rootname in sample]
        requests += n * sum(cost[0] for cost in costs) / len(costs)
        n_bytes += n * sum(cost[1] for cost in costs) / len(costs)
    speed, measured = _speed(catalog, source)
    expected, n_forecast = plan.expected_damage()
    reads_from = (
        f"number of reads as in {counted(n_known, 'earlier exposure')}" if n_known else f"{MOST_READS} reads each"
    )
    each = f" for each of {jobs} jobs" if jobs > 1 else ""
    speed_from = "the speed of the last survey" if measured else f"{speed / 1e6:.0f} MB/s{each}"
    return SurveyPlan(
        plan.n_datasets,
        plan.n_due,
        plan.counts()["known"],
        plan.n_given_up,
        requests=round(requests),
        n_bytes=round(n_bytes),
        seconds=n_bytes / speed / jobs,
        basis=f"the apertures listed, {reads_from}, {speed_from}",
        n_expected=round(expected, 1),
        n_forecast=n_forecast,
    )


def _speed(catalog: Catalog, source: Archive) -> tuple[float, bool]:
    """Return the speed of a worker [byte/s], and whether it is from an earlier survey."""
    found = catalog.sql(_SPEED, {"source": source.name}).fetchall()
    if found and found[0][0]:
        return float(found[0][0]), True
    return (_FROM_DISK if source.name in ("local", "simulated") else _FETCHED), False
