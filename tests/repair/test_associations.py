"""Repairs of simulated associations against the truth: broken sky, stars that saturate, exposures without light."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers import associations
from tests.helpers.associations import NAME, by_name, edit, exposure_time, roots
from wfc3tvb.fits.images import read_flt
from wfc3tvb.simulate.plan import Preset
from wfc3tvb.simulate.sky_models import Constant, Step
from wfc3tvb.simulate.visit import SimulatedVisit

pytestmark = pytest.mark.slow

SIZE = 128


@dataclass(frozen=True)
class Made:
    """A simulated association in a folder, ready for repair."""

    folder: Path
    preset: Preset
    visit: SimulatedVisit
    stars: int


def made(folder: Path, preset: Preset, *, stars: int) -> Made:
    return Made(folder, preset, associations.make(folder, preset, size=SIZE, stars=stars), stars)


# --- a sky with two peaks --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two_peaks(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three exposures in which almost every pixel breaks, some at the step and some not."""
    step = Step(0.5, 2.5, 0.5 * exposure_time("STEP100", SIZE), 40.0)
    return made(tmp_path_factory.mktemp("peaks"), associations.association([step] * 3, "STEP100"), stars=30)


def test_half_of_the_sky_broken_is_judged(two_peaks: Made, tmp_path: Path) -> None:
    rows = by_name(associations.repair(two_peaks.folder, tmp_path, hit=roots(3)))
    for root in roots(3):
        row, old = rows[f"{root}_flt"], read_flt(two_peaks.visit.path(root, "flt"))
        blank = associations.blank(two_peaks.visit, two_peaks.preset, root, stars=two_peaks.stars, limit=0.02)
        values = old.image[blank & old.good]
        assert row["noise_before"] == pytest.approx(values[np.abs(values) < 10].std(), rel=0.1)
        assert row["n_peaks_before"] >= 2
        assert row["sky_after"] == pytest.approx(two_peaks.visit.truth(root)["mean_rate"], abs=0.01)
        assert row["noise_after"] == pytest.approx(row["noise_expected"], rel=0.1)
        assert row["accepted"], row["accept_reason"]
    assert rows[f"{NAME}_drz"]["accepted"]
    assert rows[f"{NAME}_drz"]["noise_after"] == pytest.approx(rows[f"{NAME}_drz"]["noise_expected"], rel=0.2)


# --- stars that saturate ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> Made:
    step = Step(0.5, 1.5, 0.5 * exposure_time("SPARS100", SIZE), 60.0)
    return made(tmp_path_factory.mktemp("bright"), associations.association([step] * 3, "SPARS100"), stars=150)


def test_stars_that_saturate_keep_their_flux(bright: Made, tmp_path: Path) -> None:
    rows = by_name(associations.repair(bright.folder, tmp_path, hit=roots(3)))
    for name, row in rows.items():
        assert row["accepted"], row["accept_reason"]
        assert "saturating, " in row["accept_reason"]
        found = json.loads((tmp_path / NAME / "proof" / f"{name}.json").read_text())["fluxes"]["saturated"]
        assert found["n_stars"] >= 1
        assert found["ratio"] == pytest.approx(1.0, abs=0.01)


def test_lost_flux_of_stars_that_saturate_is_said(bright: Made, tmp_path: Path) -> None:
    """The recipe to the letter; the archive's image, whose ramp fit recovers such stars, is the independent truth."""
    rows = by_name(associations.repair(bright.folder, tmp_path, hit=roots(3), recover_saturated=False, keep_best=True))
    for root in roots(3):
        row, old = rows[f"{root}_flt"], read_flt(bright.visit.path(root, "flt"))
        lost = read_flt(Path(row["path"])).saturated & (old.image > 30)
        assert np.count_nonzero(lost) > 0
        assert not row["accepted"]
        assert row["flux_ratio"] < 0.95
        assert "saturating" in row["accept_reason"]
    row = rows[f"{NAME}_drz"]
    assert not row["accepted"]
    assert row["flux_ratio"] < 0.95
    assert (tmp_path / "best" / f"{NAME}_drz.fits").resolve().parent.name == "orig"


# --- exposures that are not what they seem ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three exposures that are hit, and one that is not."""
    models = [Step(0.5, 2.5, 0.5 * exposure_time("SPARS50", SIZE), 40.0)] * 3 + [Constant(0.5)]
    return made(tmp_path_factory.mktemp("mixed"), associations.association(models, "SPARS50"), stars=60)


@pytest.fixture
def changed(mixed: Made, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that copies the association and changes files of an exposure."""

    def change(root: str, **changes: Callable[[fits.HDUList], None]) -> Path:
        shutil.copytree(mixed.folder, tmp_path / "copy")
        for kind, how in changes.items():
            edit(tmp_path / "copy" / mixed.visit.path(root, kind).relative_to(mixed.folder), how)
        return tmp_path / "copy"

    return change


def no_time(hdus: fits.HDUList) -> None:
    hdus[0].header["EXPTIME"] = 0.0
    hdus["SCI", 1].header["NGOODPIX"] = 0


def all_zero(hdus: fits.HDUList) -> None:
    for hdu in hdus:
        if hdu.name == "SCI":
            hdu.data[:] = 0


@pytest.mark.parametrize("change", [no_time, all_zero])
@pytest.mark.parametrize("root", [roots(4)[2], roots(4)[3]])
def test_an_exposure_without_light_is_left_out_and_named(
    changed: Callable[..., Path], tmp_path: Path, root: str, change: Callable[[fits.HDUList], None]
) -> None:
    report = associations.repair(changed(root, raw=change, flt=change), tmp_path / "out", hit=roots(3))
    rows = by_name(report)
    drizzled = rows[f"{NAME}_drz"]
    assert "3 of 4 exposures combined" in drizzled["reason"]
    assert f"{root} left out" in drizzled["reason"]
    assert drizzled["accepted"], drizzled["accept_reason"]
    assert drizzled["noise_after"] == pytest.approx(drizzled["noise_expected"], rel=0.15)
    header = fits.getheader(drizzled["path"])
    assert header["NDRIZIM"] == 3
    assert root not in " ".join(str(header[f"D00{i}DATA"]) for i in (1, 2, 3))
    assert rows[f"{root}_flt"]["accepted"] is None
    assert "left out" in rows[f"{root}_flt"]["accept_reason"]
    again = associations.repair(tmp_path / "copy", tmp_path / "out", hit=roots(3))
    assert (again.n_known, again.n_repaired) == (1, 0)


def test_no_exposure_with_light_is_one_clear_failure(changed: Callable[..., Path], tmp_path: Path) -> None:
    folder = changed(roots(1)[0], raw=all_zero)
    (failure,) = associations.repair(folder, tmp_path / "out", hit=roots(1)).failures
    assert failure["stage"] == "calibrate"
    words = "no exposure to repair is left: ibzz01a1q left out: all pixels of its last read are equal"
    assert words in failure["message"]


def test_nan_gets_a_flag_and_no_weight(changed: Callable[..., Path], tmp_path: Path) -> None:
    """766 pixels of the archive's FLT of the exposure that is not repaired, flagged 4."""
    y, x = np.random.default_rng(1).integers(0, SIZE, (2, 766))

    def spoil(hdus: fits.HDUList) -> None:
        hdus["SCI", 1].data[y, x] = np.nan
        hdus["DQ", 1].data[y, x] |= 4

    root = roots(4)[3]
    rows = by_name(associations.repair(changed(root, flt=spoil), tmp_path / "out", hit=roots(3)))
    drizzled = rows[f"{NAME}_drz"]
    with fits.open(drizzled["path"]) as hdus:
        image, weight = hdus["SCI"].data, hdus["WHT"].data
    assert not np.any(~np.isfinite(image) & (weight > 0))
    assert np.median(image[weight > 0]) == pytest.approx(0.0, abs=0.01)
    with fits.open(rows[f"{root}_flt"]["path"]) as hdus:
        assert np.isfinite(hdus["SCI"].data).all()
        assert np.all(hdus["DQ"].data[y, x] & 2)
    assert f"pixels of {root} not finite" in drizzled["reason"]
    assert drizzled["accepted"]


def test_an_flt_edited_by_its_owner_is_noticed_and_made_again(changed: Callable[..., Path], tmp_path: Path) -> None:
    def subtract(hdus: fits.HDUList) -> None:
        hdus["SCI", 1].data -= 0.5

    root = roots(4)[3]
    rows = by_name(associations.repair(changed(root, flt=subtract), tmp_path / "out", hit=roots(3)))
    row = rows[f"{root}_flt"]
    assert row["sky_before"] == pytest.approx(0.0, abs=0.01)
    assert row["sky_after"] == pytest.approx(0.5, abs=0.01)
    for each in (row, rows[f"{NAME}_drz"]):
        assert "its FLT is not the archive's: its sky is 0.00" in each["reason"]
    others = [rows[f"{name}_flt"]["reason"] for name in roots(3)]
    assert not any("not the archive's" in reason for reason in others)


def test_an_flt_before_without_a_pixel_does_not_fail_the_others(changed: Callable[..., Path], tmp_path: Path) -> None:
    def spoil(hdus: fits.HDUList) -> None:
        hdus["SCI", 1].data[:] = np.nan

    rows = by_name(associations.repair(changed(roots(1)[0], flt=spoil), tmp_path / "out", hit=roots(3)))
    row = rows[f"{roots(1)[0]}_flt"]
    assert row["noise_before"] is None
    assert row["depth_gain_mag"] is None
    assert row["accepted"], row["accept_reason"]
    assert rows[f"{NAME}_drz"]["accepted"]
