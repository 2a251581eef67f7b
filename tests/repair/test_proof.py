"""Proof of a repair on images with known truth: sky pixels, noise against physics, right star fluxes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from wfc3tvb.curve import noise_model
from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.images import Picture, fill_not_finite
from wfc3tvb.repair import inputs, sky_statistics
from wfc3tvb.repair.acceptance import Fluxes, FluxRatio, Verdict, verdict
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.proof import right_flux
from wfc3tvb.repair.proof.compare_sky import drizzled_skies, exposure_masks
from wfc3tvb.repair.proof.last_reads import LastReads, read_last_reads, without_cosmic_rays, write_last_reads
from wfc3tvb.repair.proof.pictures import Pictures
from wfc3tvb.repair.rows import _without_faulty
from wfc3tvb.repair.sky_statistics import SkyStatistics, source_mask

SIZE = 256
GOOD = np.ones((SIZE, SIZE), bool)


def two_peaks(upper: float, seed: int = 1) -> np.ndarray:
    """Return a sky whose ramps broke: a fraction of the pixels at 2.04, the others at 1.04 electron/s."""
    rng = np.random.default_rng(seed)
    high = rng.random((SIZE, SIZE)) < upper
    image = np.where(high, rng.normal(2.04, 0.1, high.shape), rng.normal(1.04, 0.06, high.shape))
    return image.astype(np.float32)


def add_stars(image: np.ndarray, n: int, flux: float, seed: int = 5) -> np.ndarray:
    """Add stars of the same flux [electron/s] at random places, and return the image and their light."""
    rng, light = np.random.default_rng(seed), np.zeros_like(image)
    yy, xx = np.indices((11, 11)) - 5
    for x, y in rng.integers(12, SIZE - 12, (n, 2)):
        stamp = np.exp(-(xx**2 + yy**2) / (2 * 0.8**2))
        light[y - 5 : y + 6, x - 5 : x + 6] += (flux * stamp / stamp.sum()).astype(np.float32)
    return image + light


def picture(image: np.ndarray, good: np.ndarray = GOOD, saturated: np.ndarray | None = None) -> Picture:
    none = np.zeros(image.shape, bool)
    full = none if saturated is None else saturated
    return Picture(image.astype(np.float32), good, none, full, 0.0, fits.Header(), WCS(naxis=2))


# --- sky pixels ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("upper", [0.1, 0.3, 0.5, 0.6, 0.8, 1.0])
def test_broken_pixels_are_no_sources(upper: float) -> None:
    image = two_peaks(upper)
    sky = ~sky_statistics.source_mask(image, GOOD)
    found = sky_statistics.sky_statistics(image, sky, resolution=0.03)
    assert np.mean(sky) > 0.95
    assert found.noise == pytest.approx(image.std(), rel=0.05)
    assert found.n_peaks == (1 if upper == 1.0 else 2)


@pytest.mark.parametrize(("size", "edge"), [(64, 0.2), (128, 1.0), (1014, 0.5)])
def test_a_gradient_is_no_source(size: int, edge: float) -> None:
    """The pattern of scattered light, brightest at the left edge and falling within a quarter of the frame."""
    column = np.arange(size) / size
    image = np.random.default_rng(2).normal(1.0, 0.02, (size, size)) + edge * np.exp(-column * 1014 / 260)
    good = np.ones(image.shape, bool)
    sky = ~sky_statistics.source_mask(image.astype(np.float32), good)
    found = sky_statistics.sky_statistics(image, sky, resolution=0.02)
    assert found.noise == pytest.approx(image.std(), rel=0.03)
    left, right = (edge * np.exp(-np.array(band) / 260).mean() for band in (np.arange(40, 240), np.arange(760, 960)))
    assert found.gradient == pytest.approx(left - right, rel=0.1)


def test_sources_on_a_gradient_are_masked() -> None:
    image = np.random.default_rng(2).normal(1.0, 0.02, GOOD.shape) + np.linspace(0.5, 0, SIZE)
    image[100:104, 10:14] += 0.3
    image[100:104, 240:244] += 0.3
    mask = sky_statistics.source_mask(image.astype(np.float32), GOOD)
    assert mask[100:104, 10:14].all()
    assert mask[100:104, 240:244].all()
    assert mask.mean() < 0.02


def test_a_crowded_field_shows_its_sky() -> None:
    """Stars cover most of the frame; what is left has the noise of the sky to 20 %, and its level to a noise."""
    image = add_stars(np.random.default_rng(3).normal(1.0, 0.03, GOOD.shape).astype(np.float32), 900, 20.0)
    sky = ~sky_statistics.source_mask(image, GOOD)
    found = sky_statistics.sky_statistics(image, sky, resolution=0.03)
    assert found.noise == pytest.approx(0.03, rel=0.2)
    assert found.level == pytest.approx(1.0, abs=0.03)


def test_a_few_percent_of_broken_pixels_are_noise_and_rare_outliers_are_not() -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(1.0, 0.05, 100_000)
    values[:3000] += 1.0
    true = values.std()
    values[-300:] += 50.0
    assert sky_statistics.clip(values, most=0.01).std() == pytest.approx(true, rel=0.02)
    assert sky_statistics.clip(values).std() == pytest.approx(0.05, rel=0.02)


@pytest.mark.parametrize("upper", [0.03, 0.1, 0.5])
def test_sources_of_a_broken_image_are_those_of_the_repaired_one(upper: float) -> None:
    """Before: broken pixels. After: cosmic rays. Stars in both; the truth is the image without stars."""
    rng = np.random.default_rng(6)
    broken, whole = two_peaks(upper), rng.normal(1.5, 0.04, GOOD.shape).astype(np.float32)
    old, new = add_stars(broken, 60, 50.0), add_stars(whole, 60, 50.0)
    new[rng.random(GOOD.shape) < 0.01] += 5.0
    sky = exposure_masks(picture(old), picture(new), source_mask(picture(new).image, picture(new).good))
    before, after = (
        sky_statistics.sky_statistics(image, mask, resolution=0.03) for image, mask in zip((old, new), sky, strict=True)
    )
    assert before.noise == pytest.approx(broken.std(), rel=0.06)
    assert after.noise == pytest.approx(0.04, rel=0.05)


@pytest.mark.parametrize("weighted", [0.0, 0.3, 1.0])
def test_the_sky_of_a_drizzled_image_is_its_own(tmp_path: Path, weighted: float) -> None:
    """Before, stars and a part of the sky had weight, as where all exposures broke: the sky after is no star."""
    rng = np.random.default_rng(13)
    whole = add_stars(rng.normal(0.0, 0.02, GOOD.shape).astype(np.float32), 300, 40.0)
    stars = whole > 0.5
    broken = np.where(stars, whole, rng.normal(0.0, 0.2, GOOD.shape))
    old, new = picture(broken, stars | (rng.random(GOOD.shape) < weighted)), picture(whole)
    files = tmp_path / "old_drz.fits", tmp_path / "new_drz.fits"
    found = drizzled_skies(files, (old, new), 0.03, tmp_path / "proof.npz", method="omit")
    assert found.after.noise == pytest.approx(0.02 * 1.5, rel=0.06)  # correlated: 2/3
    if weighted:
        assert found.before is not None
        assert found.before.noise == pytest.approx(0.2 * 1.5, rel=0.06)
        assert found.before.n_pixels == pytest.approx(weighted * found.after.n_pixels, rel=0.05)
    else:
        assert found.before is None


# --- noise against physics -------------------------------------------------------------------------------------------


def sky(noise: float, level: float = 1.0) -> SkyStatistics:
    image = np.random.default_rng(7).normal(level, noise, GOOD.shape)
    return sky_statistics.sky_statistics(image, GOOD, resolution=noise)


def judge(after: float, expected: float | None = 0.03, flux: Fluxes | None = None) -> Verdict:
    return verdict(sky(10.0), sky(after), true_levels=(None, None), level_err=0.005, flux=flux, expected=expected)


@pytest.mark.parametrize(("noise", "accepted"), [(0.02, False), (0.0285, True), (0.06, True), (9.26, False)])
def test_noise_that_cannot_be_that_of_the_sky_is_not_accepted(noise: float, accepted: bool) -> None:
    found = judge(noise)
    assert found.accepted == accepted
    assert found.faulty == (not accepted)
    assert ("quieter than physics" in found.reason) == (noise == 0.02)
    assert ("too noisy" in found.reason) == (noise == 9.26)


@pytest.mark.parametrize("shape", ["gradient", "nebula"])
def test_light_that_varies_smoothly_is_not_too_noisy(shape: str) -> None:
    """It stays in an image that is better than before: the noise from pixel to pixel is that of physics."""
    y, x = np.indices(GOOD.shape)
    light = 0.6 * x / SIZE if shape == "gradient" else 0.3 * np.sin(x / 12) * np.cos(y / 17)
    image = np.random.default_rng(14).normal(1.0, 0.03, GOOD.shape) + light
    after = sky_statistics.sky_statistics(image, GOOD, resolution=0.03)
    assert after.noise > 4.5 * 0.03
    assert after.local_noise < 2 * 0.03
    assert verdict(sky(0.5), after, true_levels=(None, None), level_err=0.005, flux=None, expected=0.03).accepted


def test_without_an_expectation_there_is_no_limit() -> None:
    assert judge(0.02, expected=None).accepted


def test_an_image_without_sky_before_is_judged_by_physics() -> None:
    found = verdict(None, sky(0.03), true_levels=(1.0, 1.0), level_err=0.005, flux=None, expected=0.03)
    assert found.accepted
    assert found.depth_gain is None
    assert not verdict(None, sky(0.02), true_levels=(1.0, 1.0), level_err=0.005, flux=None, expected=0.03).accepted


def test_a_drizzled_image_with_a_wrong_exposure_is_not_accepted() -> None:
    row = {"accepted": True, "accept_reason": "deeper"}
    found = _without_faulty(row, ["ibzz01a3q"])
    assert not found["accepted"]
    assert "ibzz01a3q" in found["accept_reason"]
    assert _without_faulty(row, []) == row


# --- star fluxes -----------------------------------------------------------------------------------------------------


def ratio(value: float, error: float) -> FluxRatio:
    return FluxRatio(value, error, 30, 0.0, 100.0)


def test_wrong_fluxes_before_are_no_fault_of_the_repair() -> None:
    found = judge(0.03, flux=Fluxes(ratio(1.013, 0.003), ratio(1.0, 0.003)))
    assert found.accepted
    assert "wrong before" in found.reason
    assert not judge(0.03, flux=Fluxes(ratio(1.013, 0.003))).accepted


def test_fluxes_that_differ_from_the_reads_are_not_accepted_whatever_those_before() -> None:
    found = judge(0.03, flux=Fluxes(ratio(0.95, 0.1), ratio(0.95, 0.004)))
    assert not found.accepted
    assert found.faulty
    assert "0.9500 +- 0.0040 of the reads" in found.reason


def test_stars_that_saturate_decide_alone() -> None:
    fluxes = Fluxes(ratio(1.0, 0.003), ratio(1.0, 0.003), ratio(0.86, 0.01))
    assert not judge(0.03, flux=fluxes).accepted
    assert fluxes.reported is fluxes.saturated
    right = Fluxes(ratio(1.0, 0.003), ratio(1.0, 0.003), ratio(0.99, 0.01))
    assert judge(0.03, flux=right).accepted
    assert right.reported is right.before


@pytest.mark.parametrize("left", [1.0, 0.8])
def test_the_flux_of_a_saturated_star_is_measured_as_it_is(left: float) -> None:
    """Of the four brightest pixels of a star, flagged or not, a part of the light is left."""
    rng = np.random.default_rng(8)
    right = np.zeros(GOOD.shape)
    yy, xx = np.indices(GOOD.shape)
    for x0, y0 in ((60.3, 80.1), (150.2, 90.4), (200.4, 30.2)):
        right += 400 / (2 * np.pi * 0.7**2) * np.exp(-((xx - x0) ** 2 + (yy - y0) ** 2) / (2 * 0.7**2))
    saturated = right > 60
    right[10, 10], saturated[10, 10] = 500.0, True  # a hot pixel is no star
    new = np.where(saturated, right * left, right) + rng.normal(1.0, 0.03, GOOD.shape)
    truth = np.array([(np.where(saturated, right * left, right) * near).sum() / (right * near).sum()
                      for near in (np.hypot(xx - 60, yy - 80) < 3, np.hypot(xx - 150, yy - 90) < 3)])  # fmt: skip
    found = right_flux.of_saturated(picture(right, saturated=saturated), picture(new, ~saturated), 0.03)
    assert found is not None
    assert found.n_stars == 3
    assert found.ratio == pytest.approx(truth.mean(), abs=0.02)
    assert found.differs == (left < 1)


def star_field(flux: np.ndarray, places: np.ndarray, noise: float, seed: int) -> np.ndarray:
    """Return stars of known flux at known places, with noise [electron/s]."""
    yy, xx = np.indices(GOOD.shape)
    image = np.random.default_rng(seed).normal(0.0, noise, GOOD.shape)
    for (x, y), each in zip(places, flux, strict=True):
        image += each / (2 * np.pi * 0.7**2) * np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (2 * 0.7**2))
    return image


GRID = np.array([(x + 0.3, y + 0.1) for x in range(30, 230, 40) for y in range(30, 230, 40)], float)


@pytest.mark.parametrize("left", [1.0, 0.95])
def test_the_flux_of_an_exposure_is_held_against_its_reads(left: float) -> None:
    flux = np.full(len(GRID), 60.0)
    right = picture(star_field(flux, GRID, 0.03, 15))
    found = right_flux.of_reads(right, picture(star_field(left * flux, GRID, 0.03, 16)), GRID, 0.03)
    assert found is not None
    assert found.ratio == pytest.approx(left, abs=0.005)
    assert found.differs == (left < 1)


def scaled(x: float, y: float) -> WCS:
    """Return coordinates with pixels of x by y arcsec."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 40.0], [128.5, 128.5]
    wcs.wcs.cdelt = [-x / 3600, y / 3600]
    return wcs


@pytest.mark.parametrize(("left", "before"), [(1.0, 1.0), (0.9, 1.0), (0.9, 0.9)])
def test_the_flux_of_a_drizzled_image_is_that_of_its_exposures(left: float, before: float) -> None:
    """Pixels of 0.15 x 0.12 arcsec drizzled to 0.12 x 0.12: 1.25 times the flux. An old loss is none of the repair."""
    flux = np.full(len(GRID), 60.0)
    drizzled, exposure = scaled(0.12, 0.12), scaled(0.15, 0.12)
    stars = right_flux.world_of(drizzled, GRID)
    places = right_flux.places_of(exposure, stars)
    rights = [replace(picture(star_field(flux, places, 0.03, seed)), wcs=exposure) for seed in (17, 18)]
    old, new = (
        replace(picture(star_field(1.25 * part * flux, GRID, 0.02, 19)), wcs=drizzled) for part in (before, left)
    )
    found = right_flux.of_drizzled(rights, (old, new), stars, 0.02, away=np.zeros(2))
    assert found is not None
    assert found.ratio == pytest.approx(left / before, abs=0.01)
    assert found.differs == (left < before)


def test_cosmic_rays_leave_the_right_image() -> None:
    """Hits in the reads that neither fitted image has are filled; light that the new image lost is none."""
    fitted = add_stars(np.random.default_rng(9).normal(1.0, 0.03, GOOD.shape).astype(np.float32), 40, 60.0)
    reads, new = fitted.copy(), fitted.copy()
    reads[50, 60] += 4.0
    y, x = np.unravel_index(np.argmax(fitted[20:-20, 20:-20]), (SIZE - 40, SIZE - 40))
    y, x = y + 20, x + 20
    new[y, x] *= 0.5
    right = without_cosmic_rays(LastReads(reads, GOOD, ~GOOD), picture(fitted), picture(new), 0.03)
    assert np.argwhere(right.rejected).tolist() == [[50, 60]]
    assert right.image[y, x] == pytest.approx(fitted[y, x] - np.median(fitted), abs=0.01)


# --- exposures before they are combined ------------------------------------------------------------------------------


def flt(path: Path, image: np.ndarray, *, exptime: float = 1000.0, n_good: int | None = None) -> Path:
    """Write a small FLT."""
    header = fits.Header() if n_good is None else fits.Header({"NGOODPIX": n_good})
    sci = image.astype(np.float32)
    planes = {"SCI": sci, "ERR": sci * np.float32(0.1), "DQ": np.zeros(image.shape, np.int16)}
    hdus = [fits.ImageHDU(plane, header.copy() if name == "SCI" else None, name) for name, plane in planes.items()]
    fits.HDUList([fits.PrimaryHDU(header=fits.Header({"EXPTIME": exptime})), *hdus]).writeto(path, overwrite=True)
    return path


TIMES = np.linspace(100.0, 1000.0, 10)


def member(sky: float = 1.0, *, method: str = "perform", rise: float = 0.0) -> Member:
    cumulative = sky + rise * TIMES / TIMES[-1] - rise
    return Member("ibzz01a1q", method, "", sky, tuple(TIMES), tuple(cumulative))


def test_nan_becomes_finite_and_flagged(tmp_path: Path) -> None:
    image = np.random.default_rng(10).normal(1.0, 0.03, (40, 40))
    image[3, 4], image[5, 6] = np.nan, np.inf
    path = flt(tmp_path / "ibzz01a1q_flt.fits", image)
    assert fill_not_finite(path) == 2
    with fits.open(path) as hdus:
        assert np.isfinite(hdus["SCI"].data).all()
        assert np.isfinite(hdus["ERR"].data).all()
        assert hdus["SCI"].data[3, 4] == pytest.approx(1.0, abs=0.01)
        assert np.argwhere(hdus["DQ"].data == 2).tolist() == [[3, 4], [5, 6]]
    before = path.read_bytes()
    assert fill_not_finite(path) == 0
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("noise", "own", "words"),
    [
        (0.03, {}, ""),
        (0.03, {"exptime": 0.0}, "EXPTIME is 0"),
        (0.03, {"n_good": 0}, "NGOODPIX is 0"),
        (0.0, {}, "pixels are equal"),
        (0.003, {}, "times the noise of photons and reads"),
        (np.nan, {}, "none of its pixels is good"),
    ],
)
def test_an_exposure_without_light_cannot_be_combined(tmp_path: Path, noise: float, own: dict, words: str) -> None:
    image = 1.0 + noise * np.random.default_rng(11).standard_normal((100, 100))
    found = inputs.no_image(flt(tmp_path / "ibzz01a1q_flt.fits", image, **own), member(), Pictures())
    assert words in found
    assert bool(found) == bool(words)


@pytest.mark.parametrize(
    ("level", "own", "changed"),
    [
        (1.01, member(1.0), False),
        (0.0, member(1.0), True),
        (1.3, member(1.0), True),
        (2.4, member(1.0), True),
        (noise_model.ramp_fit_level(TIMES, np.array(member(1.0, rise=0.3).cumulative)), member(1.0, rise=0.3), False),
        (0.72, member(1.0, method="omit", rise=0.3), False),
        (0.0, member(1.0, method="omit", rise=0.3), True),
        (0.0, Member("ibzz01a1q", "perform", ""), False),
    ],
)
def test_a_sky_that_contradicts_the_catalog_is_noticed(
    tmp_path: Path, level: float, own: Member, changed: bool
) -> None:
    image = np.random.default_rng(12).normal(level, 0.03, (100, 100))
    found = inputs.not_the_archives(flt(tmp_path / "ibzz01a1q_flt.fits", image), own, Pictures())
    assert bool(found) == changed
    assert not changed or f"{level:.1f}" in found


def test_an_image_of_this_package_is_not_the_archives(tmp_path: Path) -> None:
    path = flt(tmp_path / "ibzz01a1q_flt.fits", np.random.default_rng(12).normal(1.0, 0.03, (100, 100)))
    fits.setval(path, "TVBMETH", value="omit")
    assert "made by wfc3tvb" in inputs.not_the_archives(path, member(), Pictures())


def test_the_level_of_a_faint_ramp_fit_is_a_straight_line_through_the_reads() -> None:
    """Below S/N 5 calwf3 weights all reads alike."""
    times = np.linspace(5.0, 50.0, 10)
    sky = 0.5 + 0.3 * times / 50
    assert noise_model.ramp_fit_level(times, sky) == pytest.approx(np.polyfit(times, sky * times, 1)[0])
    assert noise_model.ramp_fit_level(times * 40, np.full(10, 1.7)) == pytest.approx(1.7)


def test_last_reads_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "last_reads.npz"
    assert read_last_reads(path) is None
    wrote = LastReads(np.float32([[1.5, np.nan]]), np.array([[True, False]]), np.array([[False, True]]))
    write_last_reads(path, wrote)
    read = read_last_reads(path)
    assert read is not None
    np.testing.assert_array_equal(read.image, wrote.image)
    np.testing.assert_array_equal(read.usable, wrote.usable)
    np.testing.assert_array_equal(read.saturated, wrote.saturated)


@pytest.mark.parametrize("size", [0, 30, -30])
def test_damaged_last_reads_are_named(tmp_path: Path, size: int) -> None:
    path, image = tmp_path / "last_reads.npz", np.zeros((4, 4), np.float32)
    write_last_reads(path, LastReads(image, image == 0, image > 0))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(BadFileError, match=r"last_reads\.npz: damaged; delete it"):
        read_last_reads(path)
