"""Ramps: what flattening, leaving out reads, and both fits keep whatever the sky does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.properties.draw import read_times, seeds, skies
from wfc3tvb.calibration.crcorr.fit import RampFit, fit_ramps
from wfc3tvb.calibration.likelihood.fit import fit_ramps_optimal
from wfc3tvb.repair.methods.flatten import flatten, flattening
from wfc3tvb.repair.methods.mask_reads import left_out_of, stitch
from wfc3tvb.repair.methods.omit import recover_saturated

Array = NDArray[Any]
GAIN = 2.5
PLANES = ("rate", "error", "dq", "samples", "time", "read_dq")


def cumulative(sky: Array, times: Array) -> Array:
    """Return the rate of the sky at each read since the zeroth [electron/s]."""
    return np.cumsum(sky * np.diff(times, prepend=0.0)) / times


def noisy(sky: Array, times: Array, seed: int, shape: tuple[int, int] = (3, 5)) -> tuple[Array, Array]:
    """Return reads with photon and read noise, the zeroth first, and their errors [DN]."""
    rng = np.random.default_rng(seed)
    light = np.concatenate([[0.0], np.cumsum(sky * np.diff(times, prepend=0.0))])[:, None, None]
    counts = (light + rng.normal(0, 15, (times.size + 1, *shape)) + rng.exponential(3, shape) * light) / GAIN
    counts[0] = 0
    error = np.sqrt(np.maximum(counts * GAIN, 0) + 300) / GAIN
    return counts.astype(np.float32), error.astype(np.float32)


# --- flattening ----------------------------------------------------------------------------------------------------


@given(st.data(), read_times())
def test_a_flattened_sky_is_a_straight_line_to_its_last_read(data: st.DataObject, times: Array) -> None:
    rates = cumulative(data.draw(skies(times.size)), times)
    np.testing.assert_allclose(rates * times + flattening(times, rates), rates[-1] * times, rtol=1e-12)


@given(st.data(), read_times(), seeds)
def test_flattening_changes_neither_the_zeroth_nor_the_last_read(data: st.DataObject, times: Array, seed: int) -> None:
    sky = data.draw(skies(times.size))
    counts, _ = noisy(sky, times, seed)
    flat = flatten(counts, times, cumulative(sky, times), GAIN)
    np.testing.assert_array_equal(flat[[0, -1]], counts[[0, -1]])
    assert flat.dtype == np.float32


@given(st.data(), read_times(), st.integers(-3, 3))
def test_flattening_is_linear_in_the_sky(data: st.DataObject, times: Array, power: int) -> None:
    rates = cumulative(data.draw(skies(times.size)), times)
    np.testing.assert_array_equal(flattening(times, rates * 2.0**power), flattening(times, rates) * 2.0**power)


# --- leaving out reads ---------------------------------------------------------------------------------------------


@given(st.data(), read_times(least=3))
def test_leaving_out_reads_keeps_the_time_and_the_rate_of_the_others(data: st.DataObject, times: Array) -> None:
    n = times.size
    left_out = tuple(sorted(data.draw(st.sets(st.integers(1, n), max_size=n - 2))))
    lengths = np.diff(times, prepend=0.0)
    light = np.where(np.isin(np.arange(n) + 1, left_out), data.draw(skies(n)) * 1000, 2.0) * lengths
    counts = np.concatenate([[0.0], np.cumsum(light)])[:, None, None]
    stitched = stitch(n, np.concatenate([[0.0], times]), left_out)
    kept = [k for k in range(1, n + 1) if k not in left_out]
    assert stitched.times[-1] == pytest.approx(lengths[np.array(kept) - 1].sum())
    assert stitched.reads.tolist() == [kept[0] - 1, *kept]
    np.testing.assert_allclose(left_out_of(counts, stitched)[:, 0, 0], 2 * stitched.times, rtol=1e-9, atol=1e-6)


@given(read_times(), seeds)
def test_leaving_out_nothing_changes_nothing(times: Array, seed: int) -> None:
    counts, _ = noisy(np.ones(times.size), times, seed)
    stitched = stitch(times.size, np.concatenate([[0.0], times]), ())
    np.testing.assert_array_equal(left_out_of(counts, stitched), counts)
    np.testing.assert_allclose(stitched.times[1:], times, rtol=1e-12)


@given(st.data(), read_times())
def test_a_pixel_that_saturates_has_the_rate_that_it_would_have_had(data: st.DataObject, times: Array) -> None:
    n, star = times.size, np.array([[data.draw(st.floats(0, 5000))]])
    rates = cumulative(data.draw(skies(n)), times)
    last = data.draw(st.integers(1, n - 1))
    saturated = (np.arange(1, n + 1) > last)[:, None, None]
    reads = np.where(saturated, 0, star + rates[:, None, None]).astype(np.float32)
    found, recovered = recover_saturated(reads[-1], reads, saturated, times, rates)
    assert recovered.all()
    rounding = 3e-7 * float(star[0, 0] + np.abs(rates).max())  # of single precision, where two skies almost cancel
    assert found[0, 0] == pytest.approx(star[0, 0] + rates[-1], rel=1e-6, abs=rounding)


# --- calwf3's fit --------------------------------------------------------------------------------------------------


def fitted(counts: Array, error: Array, times: Array, *, dq: Array | None = None, gain: float = GAIN) -> RampFit:
    flags = np.zeros(counts.shape, np.int16) if dq is None else dq
    return fit_ramps(counts, error, flags, np.concatenate([[0.0], times]), gain=gain)


@given(st.floats(0.05, 3000), read_times(least=3))
def test_calwf3s_fit_of_a_straight_line_is_its_slope(rate: float, times: Array) -> None:
    counts = (rate * np.concatenate([[0.0], times]))[:, None, None].astype(np.float32)
    fit = fitted(counts, np.sqrt(counts / GAIN + 36), times)
    # Sums of float32 lose digits where short intervals follow a long one.
    assert fit.rate[0, 0] == pytest.approx(rate, rel=1e-3)
    assert fit.samples[0, 0] == times.size + 1
    assert not fit.read_dq.any()


@given(st.data(), read_times(least=3), seeds)
def test_calwf3s_fit_of_a_cube_is_that_of_its_parts(data: st.DataObject, times: Array, seed: int) -> None:
    counts, error = noisy(data.draw(skies(times.size)), times, seed, (4, 37))
    dq = np.where(np.random.default_rng(seed).random(counts.shape) < 0.03, 256, 0).astype(np.int16)
    cut = data.draw(st.integers(1, 36))
    whole = fitted(counts, error, times, dq=dq)
    parts = [fitted(counts[..., p], error[..., p], times, dq=dq[..., p]) for p in (np.s_[:cut], np.s_[cut:])]
    for name in PLANES:
        joined = np.concatenate([getattr(part, name) for part in parts], axis=-1)
        np.testing.assert_array_equal(getattr(whole, name), joined, err_msg=name)


@given(st.data(), read_times(least=3), seeds, st.integers(-3, 3))
def test_calwf3s_fit_does_not_depend_on_the_unit(data: st.DataObject, times: Array, seed: int, power: int) -> None:
    """Counts of twice the size with half the gain are the same electrons."""
    counts, error = noisy(data.draw(skies(times.size)), times, seed)
    factor = np.float32(2.0**power)
    one, other = fitted(counts, error, times), fitted(counts * factor, error * factor, times, gain=GAIN / factor)
    np.testing.assert_array_equal(one.rate * factor, other.rate)
    for name in ("dq", "samples", "read_dq", "time"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


# --- the likelihood fit --------------------------------------------------------------------------------------------


def reads_of(sky: Array, times: Array, star: float, seed: int | None = None) -> Array:
    """Return the rates since the zeroth read of 12 x 9 pixels with a source, with noise if there is a seed."""
    lengths = np.diff(times, prepend=0.0)[:, None, None]
    light = np.broadcast_to((sky[:, None, None] + star) * lengths, (times.size, 12, 9))
    if seed is None:
        return (np.cumsum(light, axis=0) / times[:, None, None]).astype(np.float32)
    rng = np.random.default_rng(seed)
    electrons = np.cumsum(rng.poisson(light), axis=0) + rng.normal(0, 14.6, light.shape) - rng.normal(0, 14.6, (12, 9))
    return (electrons / times[:, None, None]).astype(np.float32)


@given(st.data(), read_times(least=3), st.floats(0, 1000))
def test_the_likelihood_fit_finds_a_source_under_any_sky(data: st.DataObject, times: Array, star: float) -> None:
    sky = data.draw(skies(times.size))
    fit = fit_ramps_optimal(reads_of(sky, times, star), times, sky)
    level = cumulative(sky, times)[-1]
    np.testing.assert_allclose(fit.sci, star + level, rtol=1e-4, atol=1e-3)
    assert not fit.hits.any()


@given(st.data(), read_times(least=3), seeds, st.floats(0.1, 3))
def test_sky_that_is_added_and_said_raises_the_level_alone(
    data: st.DataObject, times: Array, seed: int, more: float
) -> None:
    sky = data.draw(skies(times.size))
    rate = reads_of(sky, times, 5.0, seed)
    one = fit_ramps_optimal(rate, times, sky)
    # The photon noise grows, so that the weights, and with them the image, change by a part of the error.
    other = fit_ramps_optimal(rate + np.float32(more), times, sky + more)
    same = (one.hits == 0) & (other.hits == 0)
    assume(same.mean() > 0.9)
    assert (np.abs(other.sci - one.sci - more) < 2.5 * one.err)[same].all()
    assert (other.err >= one.err * 0.999)[same].all()


@given(st.data(), read_times(least=2), seeds, st.integers(2, 4))
def test_the_likelihood_fit_does_not_depend_on_threads_or_the_order_of_rows(
    data: st.DataObject, times: Array, seed: int, threads: int
) -> None:
    sky = data.draw(skies(times.size))
    rate = reads_of(sky, times, 20.0, seed)
    one = fit_ramps_optimal(rate, times, sky)
    other = fit_ramps_optimal(rate, times, sky, threads=threads)
    turned = fit_ramps_optimal(rate[:, ::-1], times, sky)
    for name in ("sci", "err", "chi2", "hits", "samp", "time"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    np.testing.assert_allclose(turned.sci[::-1], one.sci, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(turned.samp[::-1], one.samp)


@given(st.data(), read_times(least=4), st.floats(300, 30_000), seeds)
def test_a_hit_is_found_and_left_out(data: st.DataObject, times: Array, electrons: float, seed: int) -> None:
    sky = np.full(times.size, 0.8)
    lengths = np.diff(times, prepend=0.0)
    which = data.draw(st.integers(1, times.size - 1))
    assume(electrons > 12 * np.sqrt(lengths[which] * 20 + 500))
    clean = reads_of(sky, times, 1.0, seed)
    rate = clean.copy()
    rate[which:, 6, 4] += (electrons / times[which:]).astype(np.float32)
    fit = fit_ramps_optimal(rate, times, sky)
    assert fit.hits[6, 4] >> (which + 1) & 1  # bit k: the interval that ends at read k
    assert abs(fit.sci[6, 4] - 1.8) < 7 * fit.err[6, 4]
