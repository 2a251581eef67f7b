"""Reads of an exposure: injected levels and noise are recovered from the raw counts."""

from __future__ import annotations

import numpy as np
import pytest

from wfc3tvb.simulate.detector import MEAN_GAIN, Detector, make_detector
from wfc3tvb.simulate.expose import Light, Trail, add_cosmic_rays, expose, trail_image
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.sky_models import Constant, Sky, Step
from wfc3tvb.simulate.timing import sample_times

TIMES = sample_times("SPARS100", 12)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return make_detector(2, Frame(256))


def light(detector: Detector, sky: Sky, **keywords: object) -> Light:
    return Light(np.zeros_like(detector.dark), sky, "F105W", **keywords)  # type: ignore[arg-type]


def calibrated(detector: Detector, counts: np.ndarray) -> np.ndarray:
    """Return charge since the zeroth read [electron], as calibration makes it: reference pixels, dark, flat, gain."""
    frame = detector.frame
    border = np.ones(detector.gain.shape, bool)
    border[frame.inner] = False
    ramp = counts.astype(float) - counts[0]
    ramp -= ramp[:, border].mean(axis=1)[:, None, None]
    ramp = np.array([detector.linear(read.astype(np.float32)) for read in ramp])
    ramp -= detector.dark / detector.gain * TIMES[:, None, None]
    response, _ = detector.response("F105W")
    return ramp * detector.gain / response


def test_injected_sky_comes_back(detector: Detector) -> None:
    sky = Step(0.5, 1.5, 500).sky(TIMES, np.zeros_like)
    reads = expose(detector, light(detector, sky), TIMES, np.random.default_rng(1))
    ramp = calibrated(detector, reads.counts)
    good = detector.light & (detector.flags == 0)
    measured = np.median(ramp[1:, good], axis=1)
    assert measured == pytest.approx(sky.cumulative(TIMES) * TIMES[1:], abs=2.0)
    assert measured[-1] / TIMES[-1] == pytest.approx(sky.cumulative(TIMES)[-1], abs=0.003)


def test_noise_of_two_reads_is_read_noise_and_poisson(detector: Detector) -> None:
    sky = Constant(1.0).sky(TIMES, np.zeros_like)
    reads = expose(detector, light(detector, sky, cosmic_rays=0.0), TIMES, np.random.default_rng(3))
    difference = reads.counts[5].astype(float) - reads.counts[4]
    good = detector.light & (detector.flags == 0)
    charge = (difference * detector.gain)[good]
    expected = 20.0**2 + (1.0 + 0.045) * 100.0
    assert np.var(charge) == pytest.approx(expected, rel=0.03)
    border = ~detector.light
    assert np.std(difference[border] * MEAN_GAIN) == pytest.approx(20.0, rel=0.05)


def test_the_offset_of_a_read_is_common_to_all_pixels(detector: Detector) -> None:
    sky = Constant(0.0).sky(TIMES, np.zeros_like)
    reads = expose(detector, light(detector, sky, cosmic_rays=0.0), TIMES, np.random.default_rng(4))
    change = np.diff(reads.counts.astype(float), axis=0)
    good = detector.light & (detector.flags == 0)
    of_light = change[:, good].mean(axis=1) - 0.045 / MEAN_GAIN * np.diff(TIMES)
    of_border = change[:, ~detector.light].mean(axis=1)
    assert np.std(of_border) > 1
    assert of_light == pytest.approx(of_border, abs=0.6)


def test_bright_pixels_saturate_and_come_back_linear(detector: Detector) -> None:
    sources = np.zeros_like(detector.dark)
    sources[100:110, 100:110], sources[150:160, 150:160] = 20.0, 2000.0
    sky = Constant(0.0).sky(TIMES, np.zeros_like)
    reads = expose(detector, Light(sources, sky, "F105W", cosmic_rays=0.0), TIMES, np.random.default_rng(5))
    ramp = calibrated(detector, reads.counts)
    patch = ramp[:, 100:110, 100:110][:, detector.flags[100:110, 100:110] == 0]
    assert np.median(patch, axis=1)[1:] == pytest.approx(20 * TIMES[1:], rel=0.01, abs=20)
    assert reads.saturated >= 80
    raw = reads.counts[-1, 152:158, 152:158].astype(float) - reads.counts[0, 152:158, 152:158]
    assert np.all(raw > 30_000)


def test_cosmic_rays_fall_at_the_rate_asked() -> None:
    full = make_detector(2, Frame(1024))
    charge = np.zeros(full.gain.shape, np.float32)
    n = add_cosmic_rays(charge, full, 11.0 * 1000, np.random.default_rng(6))
    assert n == pytest.approx(11_000, abs=400)
    hit = charge > 0
    assert not hit[~full.light].any()
    assert 1.2 < hit.sum() / n < 4
    assert charge.sum() / n == pytest.approx(1500 * np.exp(0.65**2 / 2), rel=0.1)


def test_a_satellite_crosses_in_one_read_only(detector: Detector) -> None:
    sky = Constant(0.6).sky(TIMES, np.zeros_like)
    trail = Trail(4)
    reads = expose(detector, light(detector, sky, trail=trail, cosmic_rays=0.0), TIMES, np.random.default_rng(7))
    crest = trail_image(trail, detector.frame.raw) > 2000
    step = np.diff(reads.counts.astype(float), axis=0)
    good = crest & detector.light & (detector.flags == 0)
    levels = np.median(step[:, good], axis=1) * MEAN_GAIN
    assert levels[3] > 1500
    assert np.all(np.delete(levels, 3) < 200)
    assert np.median(step[3][detector.light]) < 100


def test_same_seed_same_counts(detector: Detector) -> None:
    sky = Constant(0.6).sky(TIMES[:3], np.zeros_like)
    made = [expose(detector, light(detector, sky), TIMES[:3], np.random.default_rng(8)).counts for _ in range(2)]
    assert np.array_equal(*made)
