"""Plan of a repair: its cost, the datasets repaired together, and those that a requested exposure adds."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.run_log import Run
from wfc3tvb.config import Services
from wfc3tvb.errors import WorkerDiedError
from wfc3tvb.parallel.backends import Outcome
from wfc3tvb.parallel.workers import Workers
from wfc3tvb.progress import silent
from wfc3tvb.repair import driver as repair_run
from wfc3tvb.repair.choose import choose
from wfc3tvb.repair.fetch import Fetched
from wfc3tvb.repair.model import Member, Repair, ReprocessSettings, memory_limit_mb
from wfc3tvb.repair.reprocess import plan_reprocess
from wfc3tvb.repair.workspace import ReadyDataset
from wfc3tvb.schema import TABLES

FULL = 1024**2


def repair(n: int, dataset: str = "ibohbf040") -> Repair:
    return Repair(dataset, tuple(Member(f"ibohbfa{i}q", "omit", "") for i in range(n)))


def exposure(rootname: str, *, flagged: bool, dataset: str = "ibohbf040") -> dict[str, object]:
    return TABLES["exposures"].empty_row() | {
        "rootname": rootname, "dataset": dataset, "asn_id": dataset, "visit": rootname[:6], "filter": "F105W",
        "samp_seq": "STEP200", "nsamp": 16, "flagged": flagged, "recommend": "omit" if flagged else "none",
        "subarray": False, "aperture": "IR", "quality_flags": [], "affected_reads": [],
    }  # fmt: skip


def made(dataset: str, rootname: str | None, seconds: float, peak: float) -> dict[str, object]:
    return TABLES["reprocessed"].empty_row() | {
        "product_id": f"{dataset}:{rootname}", "dataset": dataset, "rootname": rootname, "wall_s": seconds,
        "peak_rss_mb": peak, "kind": "flt" if rootname else "drz", "method": "omit", "run_id": "r",
    }  # fmt: skip


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    opened = open_catalog(tmp_path / "catalog", mode="a")
    rows = [exposure("ibohbfa0q", flagged=False), exposure("ibohbfa1q", flagged=True)]
    rows += [exposure(f"ibohbgb{i}q", flagged=True, dataset="ibohbg040") for i in range(2)]
    opened.append("exposures", rows)
    return opened


@pytest.mark.parametrize("ids", [(), tuple(f"iaa{i:03d}a1q" for i in range(40))], ids=["all", "ids"])
def test_many_datasets_are_chosen_with_as_many_queries_as_a_few(
    catalog: Catalog, ids: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"iaa{i:03d}" for i in range(40)]
    rows = [exposure(f"{name}a{i}q", flagged=i == 1, dataset=f"{name}010") for name in names for i in range(2)]
    catalog.append("exposures", rows)
    catalog.append("datasets", [TABLES["datasets"].empty_row() | {
        "dataset": f"{name}010", "members": [f"{name}a{i}q" for i in range(3)]} for name in names])  # fmt: skip
    asked: list[str] = []
    sql = Catalog.sql
    monkeypatch.setattr(Catalog, "sql", lambda self, text, *rest: (asked.append(text), sql(self, text, *rest))[1])
    chosen = choose(catalog, ids=ids, where=None if ids else "rootname LIKE 'iaa%'", settings=ReprocessSettings())
    assert [repair.dataset for repair in chosen.due] == [f"{name}010" for name in names]
    assert [[(m.rootname[-2], m.method) for m in repair.members] for repair in chosen.due] == [
        [("0", "perform"), ("1", "omit"), ("2", "perform")]
    ] * 40
    assert len(asked) <= 6


def test_twenty_full_frames_stay_below_four_gigabytes() -> None:
    assert repair(20).memory_mb(2) < 4000
    assert repair(6).memory_mb(2) == pytest.approx(1900, abs=100)
    assert repair(20).memory_mb(1) - repair(6).memory_mb(1) == pytest.approx(14 * 41, rel=0.01)


def test_the_size_of_the_references_is_that_of_the_real_ones(catalog: Catalog, tmp_path: Path) -> None:
    """STScI's CRDS sent 404.7 MB for a full frame of SPARS100: dark 302.6, linearity 79.9, two flats of 10.5 each."""
    services = Services(crds_path=tmp_path / "cache")
    plan = plan_reprocess(catalog, ids=["ibohbf040"], services=services)
    assert 404.7 <= plan.reference_mb < 410
    # Another dataset of the same sequence and filter needs no others.
    assert plan_reprocess(catalog, services=services).reference_mb == plan.reference_mb


def test_another_filter_adds_its_flats_and_a_subarray_its_dark(catalog: Catalog, tmp_path: Path) -> None:
    services = Services(crds_path=tmp_path / "cache")
    one = plan_reprocess(catalog, services=services).reference_mb
    other = exposure("ibohbhb0q", flagged=True, dataset="ibohbh040") | {"filter": "F110W"}
    catalog.append("exposures", [other])
    two = plan_reprocess(catalog, services=services).reference_mb
    assert two - one == pytest.approx(2 * 10.5, rel=0.01)
    small = exposure("ibohbib0q", flagged=True, dataset="ibohbi040") | {"subarray": True, "aperture": "IRSUB256"}
    catalog.append("exposures", [small])
    assert plan_reprocess(catalog, services=services).reference_mb - two == pytest.approx(266**2 * 16 * 18 / 1e6)


def test_an_association_listed_by_its_parts_is_repaired_in_all_of_them(catalog: Catalog) -> None:
    parts = ("ibyg02021", "ibyg0202a")
    rows = [exposure(f"ibyg02{part[-1]}1q", flagged=True, dataset=part) | {"asn_id": "ibyg02020"} for part in parts]
    catalog.append("exposures", rows)
    assert plan_reprocess(catalog, ids=["IBYG02020"]).datasets == parts
    assert plan_reprocess(catalog, ids=["ibyg0202a"]).datasets == ("ibyg0202a",)


def test_an_unflagged_exposure_is_told_that_its_association_is_repaired(catalog: Catalog) -> None:
    (note,) = plan_reprocess(catalog, ids=["IBOHBFA0Q"]).notes
    assert note.startswith("ibohbfa0q is not flagged and only recalibrated; repaired: ibohbfa1q")
    assert "the whole association ibohbf040 is drizzled again" in note
    (note,) = plan_reprocess(catalog, ids=["ibohbfa1q"]).notes
    assert note.startswith("ibohbfa1q is repaired; the whole association ibohbf040")
    assert plan_reprocess(catalog, ids=["ibohbf040"]).notes == ()


def test_time_and_memory_are_those_of_earlier_runs_on_this_machine(catalog: Catalog) -> None:
    typical = plan_reprocess(catalog, ids=["ibohbf040"])
    assert typical.measured_on == 0
    slow = 3 * typical.wall_s / 2
    catalog.append("reprocessed", [made("ibohbg040", f"ibohbgb{i}q", slow, 3 * typical.peak_mb) for i in range(2)])
    found = plan_reprocess(catalog, ids=["ibohbf040"])
    assert found.measured_on == 1
    assert found.wall_s == pytest.approx(3 * typical.wall_s)
    assert found.peak_mb == pytest.approx(3 * typical.peak_mb)


def test_workers_share_the_datasets(catalog: Catalog) -> None:
    one, two = (plan_reprocess(catalog, ids=["ibohbf040", "ibohbg040"], workers=Workers(n)) for n in (1, 2))
    assert two.wall_s == pytest.approx(one.wall_s / 2)
    assert two.peak_mb < one.peak_mb


def test_what_the_memory_does_not_hold_beside_others_runs_alone_or_out_of_core(catalog: Catalog) -> None:
    settings = ReprocessSettings(memory_gb=2.0)
    plan = plan_reprocess(catalog, ids=["ibohbf040", "ibohbg040"], settings=settings, workers=Workers(2))
    assert plan.alone == ("ibohbf040", "ibohbg040")
    (note, _) = plan_reprocess(
        catalog, ids=["ibohbf040", "ibohbg040"], settings=ReprocessSettings(memory_gb=0.5), workers=Workers(2)
    ).notes
    assert "out of core" in note


@pytest.mark.parametrize(
    ("gigabytes", "expected"),
    [(64.0, [(["a", "b"], 2, False)]), (3.0, [(["a"], 2, False), (["b"], 1, False)]),
     (1.5, [(["a"], 1, False), (["b"], 1, True)])],
)  # fmt: skip
def test_the_driver_keeps_the_memory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    catalog: Catalog,
    gigabytes: float,
    expected: list[tuple[list[str], int, bool]],
) -> None:
    """`a` has 2 full frames (1.2 GB on one thread), `b` has 20 (1.7 GB)."""
    ready = [ReadyDataset(Fetched(repair(n, name), tmp_path), {}) for name, n in (("a", 2), ("b", 20))]
    seen = []

    def run(items, worker, *, workers, total=None):  # type: ignore[no-untyped-def]
        keys = [key for key, _ in items]
        seen.append((keys, workers.jobs, worker.out_of_core))
        return iter([Outcome(key, value=[]) for key in keys])

    monkeypatch.setattr(repair_run.backends, "run", run)
    settings = ReprocessSettings(memory_gb=gigabytes)
    driver = repair_run.Driver(catalog, Run("r", 0, 0), settings, Services(), Workers(2), silent)
    driver._repair(ready)
    assert seen == expected


def test_a_killed_worker_costs_its_dataset_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, catalog: Catalog
) -> None:
    """`b` kills its worker: `a` and `c` are done, and the failure is a row."""
    ready = [ReadyDataset(Fetched(repair(2, name), tmp_path), {}) for name in "abc"]

    def run(items, worker, *, workers, total=None):  # type: ignore[no-untyped-def]
        for key, _ in items:
            if key == "b":
                raise WorkerDiedError
            yield Outcome(key, value=[])

    monkeypatch.setattr(repair_run.backends, "run", run)
    driver = repair_run.Driver(
        catalog, Run("r", 0, 0), ReprocessSettings(memory_gb=64.0), Services(), Workers(2), silent
    )
    driver._repair(ready)
    assert (driver.this_run.n_done, driver.this_run.n_failed) == (2, 1)
    assert [(row["key"], row["stage"], row["error"]) for row in driver.failures] == [("b", "repair", "WorkerDiedError")]


def test_the_limit_is_what_was_given_or_most_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wfc3tvb.repair.model.available_mb", lambda: 10_000.0)
    assert memory_limit_mb(ReprocessSettings()) == 8000
    assert memory_limit_mb(ReprocessSettings(memory_gb=4.0)) == 4000
