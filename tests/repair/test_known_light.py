"""Light that a likelihood fit subtracts: the sky of each interval, as the catalog's curve has it."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.curve.scattered_light import ScatteredLight
from wfc3tvb.errors import CalibrationError
from wfc3tvb.fits.calibrated_reads import IntegrationReads
from wfc3tvb.repair.methods.known_light import KnownLight, known_light
from wfc3tvb.repair.model import Member

TIMES = np.array([2.9, 102.9, 302.9])


def reads() -> IntegrationReads:
    n, side = TIMES.size, 20
    plane = np.zeros((side, side), np.float32)
    flags = np.zeros((side, side), np.int16)
    return IntegrationReads(
        np.zeros((n, side, side), np.float32), np.zeros((n, side, side), np.int16), TIMES, plane, plane, flags, 2.9,
        (side + 10, side + 10), (0, 0), fits.Header(),
    )  # fmt: skip


def test_the_sky_of_each_interval_is_that_of_the_curve() -> None:
    """Rates 0.5, 1.0 and 2.0 electron/s give 1.45, 101.45 and 501.45 electrons at the reads."""
    cumulative = np.array([1.45, 101.45, 501.45]) / TIMES
    found = known_light(reads(), Member("ibohbfb9q", "optimal", "", times=tuple(TIMES), cumulative=tuple(cumulative)))
    np.testing.assert_allclose(found.sky, [0.5, 1.0, 2.0], rtol=1e-12)
    assert found.scattered is None
    assert not found.left_out.any()
    assert found.note(TIMES) is None


def test_a_curve_of_another_number_of_reads_is_refused() -> None:
    member = Member("ibohbfb9q", "optimal", "", times=(2.9, 102.9), cumulative=(0.5, 1.0))
    with pytest.raises(CalibrationError, match="has 2 reads of this exposure, and the file has 3"):
        known_light(reads(), member)


def test_scattered_light_by_its_amplitudes() -> None:
    """0.2, 0.4 and 0.6 electron/s for 2.9, 100 and 200 s: 160.58 electrons in 302.9 s, 40.58 in the first 102.9 s."""
    pattern = np.arange(-2, 2, dtype=np.float32).reshape(2, 2)
    light = ScatteredLight(pattern, np.array([0.2, 0.4, 0.6]), np.full(3, 0.01), 1.0)
    found = KnownLight(np.array([0.5, 1.0, 2.0]), light, np.zeros(3, bool))
    assert found.mean_amplitude(TIMES) == pytest.approx(160.58 / 302.9)
    assert found.mean_amplitude(TIMES[:2]) == pytest.approx(40.58 / 102.9)
    np.testing.assert_allclose(found.mean_scattered(TIMES), 160.58 / 302.9 * pattern)
    expected = [[0.1, 0.7], [0.2, 1.4], [0.8, 2.6]]
    np.testing.assert_allclose(found.of_pixels(np.array([0, 3])), expected, rtol=1e-6)
    assert found.note(TIMES) == "wfc3tvb: scattered light subtracted; left minus right 0.53 electron/s"


def test_intervals_left_out_are_noted_from_one_on() -> None:
    found = KnownLight(np.array([0.5, 1.0, 2.0]), None, np.array([True, False, True]))
    assert found.note(TIMES).endswith("without a common pattern: 1, 3")
    assert (found.mean_amplitude(TIMES), found.mean_scattered(TIMES)) == (0.0, 0.0)
    np.testing.assert_array_equal(found.of_pixels(np.array([0, 3])), [[0.5, 0.5], [1.0, 1.0], [2.0, 2.0]])
