"""Repair of the simulated visit IBOHBF040 as the catalog recommends it: likelihood fits, held to their chi^2."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.config import Selection, Services
from wfc3tvb.errors import CalibrationError, RefusedError
from wfc3tvb.models import Row
from wfc3tvb.repair.choose import choose
from wfc3tvb.repair.choose_method import curve_of
from wfc3tvb.repair.dataset import RepairDataset
from wfc3tvb.repair.driver import FindReferences
from wfc3tvb.repair.fetch import FetchDataset
from wfc3tvb.repair.fit_quality import fit_quality, sky_left
from wfc3tvb.repair.model import Member, Repair
from wfc3tvb.repair.reprocess import ReprocessSettings, reprocess
from wfc3tvb.simulate.visit import SimulatedVisit, simulate
from wfc3tvb.survey.survey import survey

REFITTED = ("ibohbfb9q", "ibohbfbdq", "ibohbfbgq", "ibohbfbkq", "ibohbfbpq")


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    return simulate(tmp_path_factory.mktemp("visit"), "ibohbf040", size=256)


@pytest.fixture(scope="module")
def catalog(visit: SimulatedVisit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    with open_catalog(tmp_path_factory.mktemp("catalog"), mode="a") as opened:
        survey(opened, Selection(), source=FolderArchive(visit.folder))
        yield opened


@pytest.fixture(scope="module")
def settings(visit: SimulatedVisit, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReprocessSettings]:
    outdir = tmp_path_factory.mktemp("products")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("iref", f"{visit.references}/")
        yield ReprocessSettings(engine="native", references="header", source=str(visit.folder), outdir=outdir)


@pytest.fixture(scope="module")
def rows(catalog: Catalog, settings: ReprocessSettings) -> dict[str, Row]:
    report = reprocess(catalog, ids=["ibohbf040"], settings=settings)
    assert report.failures == ()
    return {row["rootname"] or "drz": row for row in report.products}


@pytest.fixture
def bkq(catalog: Catalog, settings: ReprocessSettings, tmp_path: Path) -> Member:
    (repair,) = choose(catalog, ids=["ibohbf040"], where=None, settings=replace(settings, outdir=tmp_path)).due
    return next(member for member in repair.members if member.rootname == "ibohbfbkq")


@pytest.fixture
def alone(settings: ReprocessSettings, visit: SimulatedVisit, tmp_path: Path) -> Callable[[Member], Row]:
    """Repair an exposure as if it had no association, and return its row."""

    def run(member: Member) -> Row:
        fetched = FetchDataset(FolderArchive(visit.folder), tmp_path)(Repair(member.rootname, (member,)))
        (ready,) = FindReferences(settings, Services())([fetched])
        (row,) = RepairDataset(replace(settings, outdir=tmp_path), "run")(ready)
        return row

    return run


@pytest.mark.slow
def test_every_exposure_above_its_limit_is_refitted(rows: dict[str, Row], visit: SimulatedVisit) -> None:
    assert {name for name, row in rows.items() if row["method"] == "optimal"} == {*REFITTED, "drz"}
    for name in REFITTED:
        row = rows[name]
        assert row["accepted"], row["accept_reason"]
        assert row["sky_after"] == pytest.approx(visit.truth(name)["mean_rate"], abs=0.01)
        assert row["noise_after"] < 1.05 * row["noise_expected"]
        assert row["exptime_factor"] == pytest.approx((row["noise_before"] / row["noise_after"]) ** 2)


@pytest.mark.slow
def test_the_drizzled_image_is_near_the_limit(rows: dict[str, Row]) -> None:
    """The limit of the visit is 0.0106 electron/s; weights by time give 0.0138 by omit."""
    row = rows["drz"]
    assert row["accepted"], row["accept_reason"]
    assert row["noise_expected"] == pytest.approx(0.0106, abs=0.0003)
    assert row["noise_after"] < 1.1 * row["noise_expected"]
    assert "weighted by inverse variance: expected noise 0.010" in row["reason"]
    assert fits.getheader(row["path"])["TVBWGT"] == "ivm"


@pytest.mark.slow
def test_chi2_and_pipelines_are_in_the_row(rows: dict[str, Row]) -> None:
    for name in REFITTED:
        assert rows[name]["chi2_sky"] == pytest.approx(1.0, abs=0.05)
        assert rows[name]["chi2_stars"] == pytest.approx(1.0, abs=0.15)
        assert abs(rows[name]["sky_left"]) < 1.5
    assert (rows["ibohbfb7q"]["chi2_sky"], rows["drz"]["chi2_sky"]) == (None, None)
    for row in rows.values():
        assert row["nlinfile_before"] == row["nlinfile_after"]
        assert row["nlinfile_after"].endswith("_lin.fits")
        assert row["cal_ver_before"] == row["cal_ver_after"]


@pytest.mark.slow
def test_a_curve_that_is_wrong_in_one_read_is_refused(bkq: Member, alone: Callable[[Member], Row]) -> None:
    """0.1 electron/s too much in the interval of read 12, 20 electrons."""
    times, cumulative = np.array(bkq.times), np.array(bkq.cumulative)
    lengths = np.diff(times, prepend=0.0)
    electrons = cumulative * times + np.where(np.arange(times.size) >= 11, 0.1 * lengths[11], 0.0)
    row = alone(replace(bkq, cumulative=tuple(electrons / times)))
    assert row["accepted"] is False
    assert row["sky_left"] == pytest.approx(-20, abs=4)
    assert "does not fit the reads: it leaves -1" in row["accept_reason"]
    assert row["chi2_sky"] > 1.02


@pytest.mark.slow
def test_a_lost_read_costs_only_itself(bkq: Member, alone: Callable[[Member], Row], visit: SimulatedVisit) -> None:
    rates: list[float | None] = list(bkq.cumulative)
    rates[7] = None
    curve = curve_of(bkq.times, rates)
    row = alone(replace(bkq, cumulative=curve.cumulative, lost=curve.lost))
    assert row["accepted"], row["accept_reason"]
    assert row["sky_after"] == pytest.approx(visit.truth("ibohbfbkq")["mean_rate"], abs=0.01)
    assert row["noise_after"] < 1.06 * row["noise_expected"]
    assert fits.getdata(row["path"], "SAMP").max() == 15


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [({"cumulative": (), "times": ()}, CalibrationError, "no curve of its sky; survey it again, or use omit"),
     ({"cumulative": (1.0, 1.0)}, CalibrationError, "the catalog has 2 reads of this exposure, and the file has 15"),
     ({"method": "flatten", "lost": (8,)}, RefusedError, "flatten needs the sky of every read, and 8 has none")],
)  # fmt: skip
def test_curves_that_cannot_be_used(
    bkq: Member, alone: Callable[[Member], Row], changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        alone(replace(bkq, **changes))


@pytest.mark.slow
def test_scattered_light_is_subtracted(tmp_path: Path) -> None:
    """Left minus right is 0.146 electron/s before; leaving the six reads out instead gives a noise of 0.071."""
    visit = simulate(tmp_path / "visit", "scattered", size=256)
    with open_catalog(tmp_path / "catalog", mode="a") as catalog, pytest.MonkeyPatch.context() as patch:
        patch.setenv("iref", f"{visit.references}/")
        survey(catalog, Selection(), source=FolderArchive(visit.folder))
        settings = ReprocessSettings(
            engine="native", references="header", source=str(visit.folder), outdir=tmp_path / "products"
        )
        report = reprocess(catalog, settings=settings)
    assert report.failures == ()
    repaired = [row for row in report.products if row["method"] == "optimal"]
    assert [row["rootname"] for row in repaired] == ["ibss01a1q", "ibss01a5q", None]
    for row in repaired:
        assert row["accepted"], row["accept_reason"]
        assert abs(row["gradient_before"]) > 0.08
        assert abs(row["gradient_after"]) < 0.01
        assert row["noise_after"] < 1.05 * row["noise_expected"]
    for row in repaired[:2]:
        assert row["chi2_sky"] == pytest.approx(1, abs=0.03)
        history = str(fits.getheader(row["path"])["HISTORY"]).replace("\n", "")
        assert re.search(r"scattered light subtracted; left minus right 0\.[12]", history)


def test_a_read_without_a_rate_gets_an_even_share_of_the_sky() -> None:
    """Rates 1, 1, (2, 2), 4 electron/s in intervals of 10 s: 10, 20, 40, 60, 100 electrons."""
    curve = curve_of([10, 20, 30, 40, 50], [1.0, 1.0, None, 1.5, 2.0])
    assert curve.cumulative == pytest.approx((1.0, 1.0, 40 / 30, 1.5, 2.0))
    assert curve.lost == (3,)
    first = curve_of([10, 20], [None, 3.0])
    assert (first.cumulative, first.lost) == ((3.0, 3.0), (1,))
    last = curve_of([10, 20, 30], [1.0, 2.0, None])
    assert (last.cumulative, last.lost) == ((1.0, 2.0, 2.0), (3,))
    assert curve_of([10, 20], [None, None]).times == ()


def test_the_worst_interval_is_found() -> None:
    """Noise of 25 electrons in 10,000 pixels: 0.05 x 100 + 1 + 5 x 1.25 x 0.25 = 7.6 electrons are allowed."""
    rng, lengths = np.random.default_rng(1), np.array([3.0, 100.0, 100.0])
    electrons = rng.normal([[0.0], [4.0], [10.0]], 25.0, (3, 10_000)).astype(np.float32)
    left, allowed = sky_left(electrons, lengths, 25.0)
    assert left == pytest.approx(10, abs=1)
    assert allowed == pytest.approx(7.57, abs=0.05)
    assert sky_left(electrons[:, :20], lengths, 25.0) == (0.0, 0.0)


def test_images_of_other_methods_have_no_chi2(tmp_path: Path) -> None:
    path = tmp_path / "ibohbfbkq_flt.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 4)), name="SCI")]).writeto(path)
    assert fit_quality(path) is None
