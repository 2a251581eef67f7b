"""Lost telemetry: pixels and reads that were lost leave the curve; the score is that of the exposure without loss."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from tests.helpers.generator import SPARS100, STEP200, make_cube, sources
from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve.lost_pixels import draft_of, without_lost_pixels
from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.measurement import measure, measure_cube
from wfc3tvb.models import ReadCube, Row
from wfc3tvb.simulate.visit import SimulatedVisit, simulate

SIZE = 256
#: Charge of the level of the reference pixels, and scatter of the zeroth read from pixel to pixel [electron].
LEVEL, PATTERN = 34_000.0, 500.0


def flagged(charge: NDArray[Any], lost: NDArray[np.bool_], rng: np.random.Generator) -> int:
    """As calwf3 leaves a flagged loss: fill value less the zeroth read. Returns the flag."""
    charge[lost] = rng.normal(0, PATTERN, lost.sum())
    return 2


def alike(charge: NDArray[Any], lost: NDArray[np.bool_], rng: np.random.Generator) -> int:
    charge[lost] = 0.0
    return 0


def filled(charge: NDArray[Any], lost: NDArray[np.bool_], rng: np.random.Generator) -> int:
    """Without flags: the fill value lies far below the reference pixels, if most of these are not lost."""
    charge[lost] = rng.normal(0, PATTERN, lost.sum()) - LEVEL
    return 0


def raised(charge: NDArray[Any], lost: NDArray[np.bool_], rng: np.random.Generator) -> int:
    """Without flags: the reference pixels are lost too, so that all other pixels lie far above them."""
    charge[~lost] += LEVEL
    charge[lost] = rng.normal(0, PATTERN, lost.sum())
    return 0


Loss = Callable[[NDArray[Any], NDArray[np.bool_], np.random.Generator], int]


def lose(cube: ReadCube, read: int, fraction: float, loss: Loss) -> ReadCube:
    """Return the reads with a fraction of the rows of one (0-based) lost."""
    rate, dq = cube.rate.copy(), cube.dq.copy()
    lost = np.zeros(rate.shape[1:], bool)
    lost[: round(fraction * lost.shape[0])] = True
    charge = rate[read] * cube.t[read]
    flag = loss(charge, lost, np.random.default_rng(7))
    rate[read] = charge / cube.t[read]
    dq[read][lost] |= flag
    return replace(cube, rate=rate, dq=dq)


@pytest.fixture(scope="module")
def quiet() -> ReadCube:
    return make_cube(0.5, size=SIZE, seed=3, scene=sources(SIZE, 20, 40, np.random.default_rng(1)))


@pytest.fixture(scope="module")
def rising() -> ReadCube:
    sky = np.where(np.arange(15) < 8, 0.5, 1.5)
    return make_cube(sky, size=SIZE, seed=3, scene=sources(SIZE, 20, 40, np.random.default_rng(1)))


def check_rates(damaged: ReadCube, whole: ReadCube, bad: list[int]) -> None:
    """Compare the rates of intervals that are the same in both."""
    found, expected = measure_cube(damaged), measure_cube(whole)
    assert [row["read"] for row in found.reads if row["rate"] is None] == bad
    assert ("bad_reads" in found.exposure["quality_flags"]) is bool(bad)
    n_same = 0
    for ours, true in zip(found.reads, expected.reads, strict=True):
        if ours["rate"] is not None and ours["t_start"] == true["t_start"]:
            assert abs(ours["rate"] - true["rate"]) < 2 * true["rate_err"]
            n_same += 1
    assert n_same >= 13


@pytest.mark.parametrize("read", [1, 7, 15])
@pytest.mark.parametrize(
    ("fraction", "loss"),
    [(f, loss) for f in (0.05, 0.3) for loss in (flagged, alike, filled)]
    + [(f, loss) for f in (0.6, 0.9, 1.0) for loss in (flagged, alike, filled, raised)],
)
def test_a_quiet_exposure_stays_quiet(quiet: ReadCube, read: int, fraction: float, loss: Loss) -> None:
    """90 % of a read lost made it severe, 60 % gave a score of 595 and rates of -62 and +63 electron/s."""
    damaged, whole = lose(quiet, read - 1, fraction, loss), measure_cube(quiet).exposure
    check_rates(damaged, quiet, [read] if fraction > 0.5 else [])
    found = measure_cube(damaged).exposure
    assert abs(found["tvb_score"] - whole["tvb_score"]) < whole["tvb_score_err"]
    assert found["sky_mean"] == pytest.approx(0.5, abs=0.01)
    assert (found["tvb_class"], found["tvb_kind"], found["recommend"]) == ("none", None, "none")


@pytest.mark.parametrize("read", [1, 3, 9, 13, 15])
@pytest.mark.parametrize(("fraction", "loss"), [(0.3, flagged), (0.3, filled)])
def test_a_variable_exposure_keeps_its_score(rising: ReadCube, read: int, fraction: float, loss: Loss) -> None:
    damaged, whole = lose(rising, read - 1, fraction, loss), measure_cube(rising).exposure
    check_rates(damaged, rising, [])
    found = measure_cube(damaged).exposure
    assert abs(found["tvb_score"] - whole["tvb_score"]) < whole["tvb_score_err"]
    assert found["sky_mean"] == pytest.approx(whole["sky_mean"], abs=0.01)


@pytest.mark.parametrize("read", [1, 3, 9, 13, 15])
@pytest.mark.parametrize(("fraction", "loss"), [(0.6, flagged), (0.6, filled), (0.9, raised)])
def test_a_read_that_is_lost_is_as_one_never_taken(rising: ReadCube, read: int, fraction: float, loss: Loss) -> None:
    damaged, kept = lose(rising, read - 1, fraction, loss), np.arange(15) != read - 1
    arrays = {name: getattr(rising, name)[kept] for name in ("t", "mjd", "rate", "dq")}
    found, expected = measure_cube(damaged).exposure, measure_cube(replace(rising, **arrays)).exposure
    check_rates(damaged, rising, [read])
    assert found["tvb_score"] == pytest.approx(expected["tvb_score"], abs=expected["tvb_score_err"])
    for column in ("sky_mean", "sky_max", "pred_frac_broken"):
        assert found[column] == pytest.approx(expected[column], abs=0.01), column
    assert found["tvb_class"] == expected["tvb_class"]


def test_a_loss_in_several_reads(quiet: ReadCube) -> None:
    damaged = quiet
    for read, fraction, loss in ((4, 0.9, flagged), (5, 1.0, alike), (9, 0.3, flagged), (10, 0.3, filled)):
        damaged = lose(damaged, read - 1, fraction, loss)
    found = measure_cube(damaged)
    assert [row["read"] for row in found.reads if row["rate"] is None] == [4, 5]
    assert found.exposure["tvb_score"] == pytest.approx(measure_cube(quiet).exposure["tvb_score"], abs=0.1)
    assert found.exposure["tvb_class"] == "none"


@pytest.mark.parametrize("flag", [1, 2, 3])
def test_a_whole_exposure_lost_has_no_score(quiet: ReadCube, flag: int) -> None:
    """It was of class none, with a sky of -0.05 electron/s."""
    found = measure_cube(replace(quiet, dq=quiet.dq | np.int16(flag))).exposure
    assert {"bad_reads", "few_reads"} <= set(found["quality_flags"])
    assert "extended_source" not in found["quality_flags"]
    assert [found[name] for name in ("sky_mean", "tvb_score", "tvb_class", "tvb_kind")] == [None] * 4
    assert (found["recommend"], found["flagged"]) == ("none", False)


def test_pixels_lost_in_the_zeroth_read_are_flagged_in_all(quiet: ReadCube) -> None:
    """ZOFFCORR carries the flags of the zeroth read to all others."""
    dq = quiet.dq.copy()
    dq[:, :80] |= 1
    found = measure_cube(replace(quiet, dq=dq))
    assert found.reads[5]["n_pixels"] < (1 - 80 / SIZE) * SIZE**2
    assert found.exposure["sky_mean"] == pytest.approx(0.5, abs=0.01)
    assert "bad_reads" not in found.exposure["quality_flags"]


def test_lost_pixels_are_marked_and_no_others(quiet: ReadCube) -> None:
    for loss in (flagged, alike, filled):
        found = without_lost_pixels(lose(quiet, 6, 0.3, loss))
        expected = np.zeros(quiet.rate.shape, bool)
        expected[6, : round(0.3 * SIZE)] = True
        assert np.mean(np.isnan(found.rate) != expected) < 1e-4
        np.testing.assert_array_equal(found.rate[~np.isnan(found.rate)], quiet.rate[~np.isnan(found.rate)])


def test_short_runs_of_one_row_are_found(quiet: ReadCube) -> None:
    rate = quiet.rate.copy()
    rate[3, 100, 57:92], rate[4, 101, 57:80] = 0.25, 0.25  # 35 and 23 pixels
    found = np.isnan(without_lost_pixels(replace(quiet, rate=rate)).rate)
    assert found.sum() == 35
    assert found[3, 100, 57:92].all()


@pytest.mark.parametrize("times", [SPARS100, STEP200])
def test_light_is_not_taken_for_loss(times: tuple[float, ...]) -> None:
    """Nebulae, crowded fields, sudden and scattered light, trails, saturated stars."""
    rng, first = np.random.default_rng(0), np.arange(15)
    y, x = np.mgrid[:SIZE, :SIZE]
    filaments = 100 * (1 + np.sin(x / 2) * np.sin(y / 3))
    dense = 20 * sources(SIZE, 6000, 0, rng)
    flash = np.where(first == 9, 30.0, 0.4)
    cubes = [
        make_cube(0.6, times, size=SIZE, scene=filaments),
        make_cube(0.5, times, size=SIZE, scene=dense),
        make_cube(flash, times, size=SIZE),
        make_cube(np.where(first < 8, 0.4, 8.0), times, size=SIZE),
        make_cube(0.5, times, size=SIZE, gradient=np.where(first == 9, 20.0, 0.0)),
    ]
    trail = make_cube(0.5, times, size=SIZE)
    charge = trail.rate * trail.t[:, None, None]
    charge[8:, np.abs(y - x) < 15] += 20_000
    cubes.append(replace(trail, rate=(charge / trail.t[:, None, None]).astype(np.float32)))
    for cube in cubes:
        assert without_lost_pixels(cube) is cube


def test_saturated_pixels_that_fall_back_are_not_lost() -> None:
    """Beyond saturation nothing is corrected for nonlinearity, so that charge seems to vanish."""
    cube = make_cube(0.5, size=SIZE, scene=300 * sources(SIZE, 3000, 0, np.random.default_rng(0)))
    charge = cube.rate * cube.t[:, None, None]
    full = np.maximum.accumulate(charge > 78_000, 0)
    charge[full] *= 0.9
    saturated = replace(
        cube, rate=(charge / cube.t[:, None, None]).astype(np.float32), dq=np.where(full, 256, cube.dq).astype(np.int16)
    )
    assert full[-1].mean() > 0.05
    assert without_lost_pixels(saturated) is saturated


def test_a_draft_is_filled_from_earlier_reads(rising: ReadCube) -> None:
    lost = without_lost_pixels(lose(rising, 14, 0.4, flagged))
    draft = draft_of(lost)
    assert np.isfinite(draft).all()
    assert np.median(draft[:100]) == pytest.approx(np.median(rising.rate[-1][:100]), abs=0.01)
    np.testing.assert_array_equal(draft[103:], rising.rate[-1][103:])


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    return simulate(tmp_path_factory.mktemp("visit"), "ibohbf040", size=128, products=False)


def calibrated(visit: SimulatedVisit, name: str, folder: Path, **loss: Any) -> Row:
    """Return the measurement of a RAW in which rows of a read, and of the reference pixels, are a fill value."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}_raw.fits"
    shutil.copy(visit.path(name, "raw"), path)
    if loss:
        with fits.open(path, mode="update") as hdus:
            sci = hdus["SCI", loss["version"]].data
            sci[loss["rows"]] = loss["fill"]
            flags = np.zeros(sci.shape, np.int16)
            flags[loss["rows"]] = loss["flag"]
            hdus[hdus.index_of(("DQ", loss["version"]))] = fits.ImageHDU(flags, name="DQ", ver=loss["version"])
    calibrate([path], engine="native", crcorr="perform", iref=visit.references, outdir=folder)
    return measure(folder / f"{name}_ima.fits", settings=MeasureSettings(rows=loss.get("n_rows"))).exposure


@pytest.mark.slow
@pytest.mark.parametrize("fill", [0, 65535])
@pytest.mark.parametrize("flag", [0, 2])
@pytest.mark.parametrize("fraction", [0.4, 0.6, 0.9])
@pytest.mark.parametrize("version", [1, 6])
def test_a_loss_in_the_raw_file(
    visit: SimulatedVisit, tmp_path: Path, version: int, fraction: float, flag: int, fill: int
) -> None:
    """Through the whole calibration, which takes the level of a read from its lost reference pixels."""
    rows = range(round(fraction * 138))
    found = calibrated(visit, "ibohbfb7q", tmp_path, version=version, rows=rows, flag=flag, fill=fill)
    assert (found["tvb_class"], found["tvb_kind"]) == ("none", None)
    assert found["tvb_score"] < 0.3
    assert found["sky_mean"] == pytest.approx(visit.truth("ibohbfb7q")["mean_rate"], abs=0.01)
    # No read follows the last, to tell by how much its high pixels are wrong: all of it is left out.
    unknown = (version, flag, fill) == (1, 0, 65535)
    assert ("bad_reads" in found["quality_flags"]) is (fraction > 0.5 or unknown)


@pytest.mark.slow
@pytest.mark.parametrize("version", [1, 2, 6, 15])
def test_a_level_that_is_wrong_since_other_rows_were_lost(visit: SimulatedVisit, tmp_path: Path, version: int) -> None:
    """A survey reads the middle rows: the others, and with them most reference pixels, were lost."""
    rows = [*range(40), *range(98, 138)]
    found = calibrated(visit, "ibohbfb7q", tmp_path, version=version, rows=rows, flag=2, fill=0, n_rows=20)
    assert found["tvb_class"] == "none"
    assert found["tvb_score"] < 0.3
    assert found["sky_mean"] == pytest.approx(visit.truth("ibohbfb7q")["mean_rate"], abs=0.01)
    assert "bad_reads" in found["quality_flags"]


@pytest.mark.slow
def test_the_damage_predicted_without_a_lost_read_is_that_in_the_file(visit: SimulatedVisit, tmp_path: Path) -> None:
    """calwf3 leaves flagged samples out, too: the jump from the read before to the read after is what it sees."""
    loss = {"version": 6, "rows": range(138), "flag": 2, "fill": 0}
    whole, found = calibrated(visit, "ibohbfb9q", tmp_path), calibrated(visit, "ibohbfb9q", tmp_path / "lost", **loss)
    assert whole["pred_frac_broken"] == pytest.approx(whole["obs_frac_broken"], abs=0.03)
    assert found["pred_frac_broken"] == pytest.approx(found["obs_frac_broken"], abs=0.03)
    assert found["obs_frac_broken"] > whole["obs_frac_broken"] + 0.02
    assert found["sky_mean"] == pytest.approx(visit.truth("ibohbfb9q")["mean_rate"], abs=0.01)


@pytest.mark.parametrize("name", ["lost_telemetry_one_read", "crash_last_read_rows_blank"])
def test_cases(shared_data: Path, tmp_path: Path, name: str) -> None:
    """A quiet exposure of 16 reads, one of which lost 90 % (flagged), or most rows of the last."""
    found = measure(shared_data / "cases" / f"{name}_ibohbfb7q_ima.fits.gz").exposure
    assert found["tvb_class"] == "none"
    assert found["tvb_score"] < 0.3
    assert found["sky_mean"] == pytest.approx(0.47, abs=0.02)
    assert "bad_reads" in found["quality_flags"]
    assert "trail" not in found["quality_flags"]
