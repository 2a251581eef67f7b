"""The likelihood fit against ramps of known truth, the Cramer-Rao limit, and stcal's fit for a constant sky."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.helpers.photons import DARK, READ_NOISE, SKIES, expose, limit, sky_of
from wfc3tvb.calibration.likelihood.fit import fit_ramps_optimal
from wfc3tvb.calibration.likelihood.model import OptimalFit, OptimalSettings
from wfc3tvb.simulate.timing import sample_times

#: The sequences that F105W and F110W exposures of the archive use.
SEQUENCES = ("RAPID", "SPARS10", "SPARS25", "SPARS50", "SPARS100", "SPARS200", "STEP25", "STEP50", "STEP100", "STEP200",
             "STEP400")  # fmt: skip
NO_HITS = OptimalSettings(threshold=1e6, neighbor_threshold=1e6)


def times_of(sequence: str) -> NDArray[np.float64]:
    return np.asarray(sample_times(sequence, 16), np.float64)[1:]


def level(times: NDArray[np.float64], sky: NDArray[np.float64]) -> float:
    return float(np.sum(sky * np.diff(times, prepend=0.0)) / times[-1])


def fitted(
    sequence: str, shape: str, source: float, seed: int, size: int = 128
) -> tuple[OptimalFit, NDArray[np.float64], float]:
    """Return the fit, its error in every pixel, and the limit."""
    times = times_of(sequence)
    sky = sky_of(shape, times)
    rate, dq = expose(times, sky, np.full((size, size), source), np.random.default_rng(seed))
    fit = fit_ramps_optimal(rate, times, sky, dq=dq)
    return fit, fit.sci - level(times, sky) - source, limit(times, sky, source)


@pytest.mark.compiled
@pytest.mark.parametrize("shape", SKIES)
@pytest.mark.parametrize("sequence", SEQUENCES)
def test_blank_sky_is_at_the_limit_of_photons_and_reads(sequence: str, shape: str) -> None:
    fit, error, best = fitted(sequence, shape, 0.0, 1)
    assert error.std() < 1.03 * best
    assert abs(error.mean()) < 4 * best / 128
    assert (error / fit.err).std() == pytest.approx(1, abs=0.03)
    assert fit.chi2.mean() == pytest.approx(1, abs=0.02)
    assert np.mean(fit.hits != 0) < 4e-4  # 2e-4 over 10^6 pixels; here of 16,384


@pytest.mark.compiled
def test_false_hits_in_a_million_blank_pixels() -> None:
    fit, error, best = fitted("STEP200", "step", 0.0, 2, size=1024)
    assert np.mean(fit.hits != 0) < 2e-4
    assert abs(error.mean()) < 4 * best / 1024
    assert error.std() == pytest.approx(best, rel=0.01)


@pytest.mark.compiled
@pytest.mark.parametrize("signal_to_noise", [20, 100, 1000])
@pytest.mark.parametrize("shape", ["rise", "constant"])
def test_bright_pixels_are_unbiased(shape: str, signal_to_noise: float) -> None:
    times = times_of("SPARS100")
    sky, source = sky_of(shape, times), 1.0
    for _ in range(50):
        source = signal_to_noise * limit(times, sky, source)
    fit, error, best = fitted("SPARS100", shape, source, 3)
    assert abs(error.mean()) < 0.005 * source
    assert error.std() == pytest.approx(best, rel=0.03)
    assert (error / fit.err).std() == pytest.approx(1, abs=0.03)


@pytest.mark.compiled
@pytest.mark.parametrize(("electrons", "found"), [(110, 0.5), (200, 0.99), (1e5, 1.0)])
def test_single_hits_are_found_and_named(electrons: float, found: float) -> None:
    rng, times = np.random.default_rng(4), times_of("STEP200")
    sky = sky_of("step", times)
    rate, dq = expose(times, sky, np.zeros((256, 256)), rng)
    lengths = np.diff(times, prepend=0.0)
    hit, where = rng.random(rate.shape[1:]) < 0.05, rng.choice(15, rate.shape[1:], p=lengths / times[-1])
    rate += (electrons * hit * (np.arange(15)[:, None, None] >= where) / times[:, None, None]).astype(np.float32)
    fit = fit_ramps_optimal(rate, times, sky, dq=dq)
    named = fit.hits >> (where + 1).astype(np.uint32) & 1
    assert named[hit].mean() >= found
    assert np.mean(fit.hits[~hit] != 0) < 1e-3  # neighbors of strong hits are looked at with the lower threshold
    if electrons >= 200:
        assert abs(fit.sci[hit].mean() - level(times, sky)) < 0.005


@pytest.mark.compiled
def test_stars_with_a_guiding_drift_lose_few_pixels() -> None:
    """0.05 pixel from the first read to the last changes the rates on the slopes of a star, which is not a hit."""
    times = times_of("SPARS100")
    sky, lengths = sky_of("step", times), np.diff(times, prepend=0.0)
    y, x = np.mgrid[:128, :128]
    drift = 0.05 * (np.cumsum(lengths) - lengths / 2) / times[-1]
    stars = [
        sum(60 * np.exp(-((y - cy) ** 2 + (x - cx - d) ** 2) / 2 / 0.6**2) for cy in range(8, 128, 16) for cx in
            range(8, 128, 16))
        for d in drift
    ]  # fmt: skip
    source = np.array(stars)
    rate, dq = expose(times, sky, source, np.random.default_rng(5))
    fit = fit_ramps_optimal(rate, times, sky, dq=dq)
    on_star = source.mean(axis=0) > 3
    assert np.mean(fit.hits[on_star] != 0) < 0.05
    still, dq = expose(times, sky, np.broadcast_to(source[7], source.shape), np.random.default_rng(6))
    assert np.mean(fit_ramps_optimal(still, times, sky, dq=dq).hits[on_star] != 0) < 1e-3


def test_pixels_that_saturate_late_are_recovered() -> None:
    times = times_of("SPARS100")
    sky = sky_of("rise", times)
    rate, dq = expose(times, sky, np.full((64, 64), 150.0), np.random.default_rng(7), saturation=70_000)
    fit = fit_ramps_optimal(rate, times, sky, dq=dq)
    assert (dq[-1] == 256).all()
    assert fit.sci.mean() - level(times, sky) == pytest.approx(150, rel=0.002)
    assert ((fit.sci - level(times, sky) - 150) / fit.err).std() == pytest.approx(1, abs=0.05)
    assert set(np.unique(fit.samp)) <= {5, 6}
    assert fit.time.max() < 500


@pytest.mark.parametrize("loss", ["flag", "nan"])
def test_a_lost_read_costs_only_itself(loss: str) -> None:
    """Without read 9 two intervals become one: the limit of the remaining reads is reached."""
    times = times_of("SPARS100")
    sky = sky_of("step", times)
    rate, dq = expose(times, sky, np.zeros((128, 128)), np.random.default_rng(8))
    rate[8] = np.nan if loss == "nan" else -60.0
    dq[8] |= 0 if loss == "nan" else 2
    fit = fit_ramps_optimal(rate, times, sky, dq=dq)
    lengths = np.diff(times, prepend=0.0)
    kept = np.delete(times, 8)
    merged = np.delete(sky, 8)
    merged[8] = (sky[8] * lengths[8] + sky[9] * lengths[9]) / (lengths[8] + lengths[9])
    error = fit.sci - level(times, sky)
    assert error.std() == pytest.approx(limit(kept, merged, 0.0), rel=0.02)
    assert abs(error.mean()) < 0.001
    assert (fit.samp == 15).mean() > 0.999


def test_intervals_left_out_cost_only_themselves() -> None:
    """Light of 5 electron/s over half of the frame in two intervals, which are not used."""
    times = times_of("SPARS100")
    sky = sky_of("rise", times)
    rate, dq = expose(times, sky, np.zeros((128, 128)), np.random.default_rng(11))
    lengths, lit = np.diff(times, prepend=0.0), np.isin(np.arange(15), (4, 5))
    side = np.where(np.arange(128) < 64, 5.0, 0.0)
    rate += (np.cumsum(np.where(lit, lengths, 0.0)) / times)[:, None, None] * side
    fit = fit_ramps_optimal(rate, times, sky, dq=dq, left_out=lit)
    error = fit.sci - level(times, sky)
    assert abs(error[:, :64].mean() - error[:, 64:].mean()) < 4 * error.std() / 64
    assert (error / fit.err).std() == pytest.approx(1, abs=0.03)
    assert fit.time.max() == pytest.approx(times[-1] - lengths[lit].sum(), rel=1e-6)
    assert np.mean(fit.hits != 0) < 4e-4
    with pytest.raises(ValueError, match="left_out must have 15 values, one of them false"):
        fit_ramps_optimal(rate, times, sky, left_out=np.ones(15, bool))


def test_a_lost_zeroth_read_is_left_out() -> None:
    """Every read carries its flag, and the same wrong number of electrons."""
    times = times_of("SPARS100")
    sky = sky_of("step", times)
    rate, dq = expose(times, sky, np.zeros((64, 64)), np.random.default_rng(9))
    rate += (5000 / times[:, None, None]).astype(np.float32)
    fit = fit_ramps_optimal(rate, times, sky, dq=dq | 2)
    assert abs(fit.sci.mean() - level(times, sky)) < 0.002
    assert (fit.samp == 15).mean() > 0.999
    assert np.mean(fit.hits != 0) < 1e-3


def test_pixels_without_a_usable_read_say_so() -> None:
    times = times_of("SPARS100")
    rate, dq = np.zeros((15, 4, 4), np.float32), np.zeros((15, 4, 4), np.int16)
    dq[:, 1, 2] = 256
    rate[:, 2, 2] = np.nan
    fit = fit_ramps_optimal(rate, times, np.zeros(15), dq=dq)
    for y, x in ((1, 2), (2, 2)):
        assert (fit.sci[y, x], fit.err[y, x], fit.samp[y, x], fit.time[y, x]) == (0, np.float32(1e5), 0, 0)
    assert fit.samp[0, 0] == 16


def test_a_wrong_curve_shows_in_chi2() -> None:
    """0.1 electron/s too much in one read of 200 s are 20 electrons in every pixel, 0.6 of their noise."""
    times = times_of("STEP200")
    sky = sky_of("step", times)
    rate, dq = expose(times, sky, np.zeros((128, 128)), np.random.default_rng(10))
    wrong = sky.copy()
    wrong[10] += 0.1
    assert fit_ramps_optimal(rate, times, sky, dq=dq).chi2.mean() == pytest.approx(1, abs=0.01)
    assert fit_ramps_optimal(rate, times, wrong, dq=dq).chi2.mean() > 1.02


def test_scattered_light_of_known_shape_is_subtracted() -> None:
    times = times_of("SPARS100")
    sky = sky_of("constant", times)
    template = np.broadcast_to(np.linspace(0.5, -0.5, 128), (128, 128))
    amplitudes = np.where(np.arange(15) >= 10, 0.8, 0.0)
    light = amplitudes[:, None, None] * template
    rate, dq = expose(times, sky, light + 0.0, np.random.default_rng(11))
    fit = fit_ramps_optimal(rate, times, sky, dq=dq, template=template, amplitudes=amplitudes)
    error = fit.sci - level(times, sky)
    assert abs(error[:, :64].mean() - error[:, 64:].mean()) < 4 * limit(times, sky, 0.0) / 64
    assert error.std() < 1.03 * limit(times, sky + 0.1, 0.0)


@pytest.mark.compiled
def test_the_flat_field_scales_signal_and_error() -> None:
    """A pixel of response 0.8 collects 0.8 of the photons; its rate after the flat is the same, its error larger."""
    times, rng = times_of("SPARS100"), np.random.default_rng(12)
    sky, flat = sky_of("step", times), np.where(np.arange(128) < 64, 0.8, 1.1)[None, :].repeat(128, 0)
    lengths = np.diff(times, prepend=0.0)
    photons = np.cumsum([rng.poisson((b * flat + DARK) * dt) for b, dt in zip(sky, lengths, strict=True)], 0)
    reads = rng.normal(0, READ_NOISE, (16, 128, 128))
    counts = photons + reads[1:] - reads[0] - DARK * times[:, None, None]
    fit = fit_ramps_optimal(counts / flat / times[:, None, None], times, sky, flat=flat)
    pull = (fit.sci - level(times, sky)) / fit.err
    assert pull[:, :64].std() == pytest.approx(1, abs=0.03)
    assert pull[:, 64:].std() == pytest.approx(1, abs=0.03)
    assert abs(pull.mean()) < 0.03


@pytest.mark.parametrize("source", [0.0, 0.4, 25.0])
def test_it_is_the_generalized_least_squares_solution(source: float) -> None:
    """Against a plain matrix solution, pixel by pixel, with the same variances."""
    times = times_of("STEP200")
    sky, lengths = sky_of("rise", times), np.diff(times, prepend=0.0)
    rate, _ = expose(times, sky, np.full((16, 16), source), np.random.default_rng(13))
    fit = fit_ramps_optimal(np.full_like(rate, 0) + rate.mean(axis=(1, 2), keepdims=True), times, sky, settings=NO_HITS)
    e = np.diff(rate.mean(axis=(1, 2)) * times, prepend=0.0) - sky * lengths
    estimate = fit.sci[8, 8] - level(times, sky)
    covariance = np.diag((estimate + sky + DARK) * lengths + 2 * READ_NOISE**2)
    covariance -= READ_NOISE**2 * (np.eye(15, k=1) + np.eye(15, k=-1))
    weights = np.linalg.solve(covariance, lengths)
    assert estimate == pytest.approx(weights @ e / (weights @ lengths), abs=2e-5)
    assert fit.err[8, 8] == pytest.approx(1 / np.sqrt(weights @ lengths), rel=3e-3)


@pytest.mark.compiled
def test_threads_do_not_change_the_result() -> None:
    times = times_of("SPARS50")
    sky = sky_of("fall", times)
    rate, dq = expose(times, sky, np.zeros((600, 600)), np.random.default_rng(14))
    one, two = (fit_ramps_optimal(rate, times, sky, dq=dq, threads=n) for n in (1, 2))
    for name in ("sci", "err", "chi2", "hits", "samp", "time"):
        assert np.array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"sky": np.zeros(14)}, "sky has the shape"),
        ({"sky": np.full(15, np.nan)}, "sky has values that are not finite"),
        ({"times": np.zeros(15)}, "times must increase"),
        ({"rate": np.zeros((15, 4))}, "rate has the shape"),
        ({"dq": np.zeros((15, 4, 5), np.int16)}, "dq has the shape"),
        ({"amplitudes": np.zeros(3)}, "amplitudes has the shape"),
    ],
)
def test_wrong_input_is_named(change: dict[str, object], problem: str) -> None:
    given = {"rate": np.zeros((15, 4, 4)), "times": times_of("SPARS50"), "sky": np.zeros(15)} | change
    with pytest.raises(ValueError, match=problem):
        fit_ramps_optimal(given.pop("rate"), given.pop("times"), given.pop("sky"), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 2])
def test_one_and_two_reads_are_enough_for_a_rate(n: int) -> None:
    times = np.array([100.0, 250.0])[:n]
    sky = np.array([0.5, 1.5])[:n]
    rate, dq = expose(times, sky, np.full((64, 64), 2.0), np.random.default_rng(15))
    fit = fit_ramps_optimal(rate, times, sky, dq=dq)
    assert fit.sci.mean() - level(times, sky) == pytest.approx(2.0, abs=0.02)
    assert (fit.chi2 == 0).all() == (n == 1)


def test_a_negative_sky_does_no_harm() -> None:
    """Subtraction of the dark can leave less than nothing; the variance then stays that of the reads."""
    times = times_of("SPARS50")
    rate, _ = expose(times, np.zeros(15), np.zeros((64, 64)), np.random.default_rng(16))
    fit = fit_ramps_optimal(rate - 0.2, times, np.full(15, -0.2))
    assert np.isfinite(fit.sci).all()
    assert fit.sci.mean() == pytest.approx(-0.2, abs=0.003)


@pytest.mark.parametrize("sequence", ["SPARS100", "STEP200"])
def test_it_equals_stcals_fit_for_a_constant_background(sequence: str) -> None:
    """Rates and errors of stcal's `likely_fit` (Brandt 2024), which knows no background, given the same variances."""
    stcal = pytest.importorskip("stcal.ramp_fitting.likely_fit", reason="stcal is not installed")
    times = times_of(sequence)
    lengths, sky = np.diff(times, prepend=0.0), np.full(15, 0.7)
    rate, _ = expose(times, sky, np.broadcast_to(np.geomspace(0.1, 100, 32), (1, 32)), np.random.default_rng(17))
    fit = fit_ramps_optimal(np.repeat(rate, 3, axis=1), times, sky, settings=NO_HITS)
    ours = fit.sci[1].astype(np.float64) + DARK
    differences = np.diff(rate[:, 0] * times[:, None], axis=0, prepend=0.0) / lengths[:, None] + DARK
    covariance = stcal.Covar([*np.concatenate([[0.0], times])])
    theirs = stcal.fit_ramps(
        differences, covariance, np.ones(32), np.full(32, READ_NOISE), count_rate_guess=ours.copy(), rescale=False
    )
    bright = ours - 0.7 - DARK > 10 * fit.err[1]
    assert bright.sum() > 10
    assert ours[bright] == pytest.approx(theirs.countrate[bright], rel=1e-5)
    assert fit.err[1][bright] == pytest.approx(theirs.uncert[bright], rel=3e-3)
    assert fit.chi2[1][bright] * 14 == pytest.approx(theirs.chisq[bright], rel=3e-3)
