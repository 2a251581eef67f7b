"""Medians, fractions, means and curves of the sky against their plain definitions; bands and threads do not matter."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from tests.helpers.generator import make_cube
from tests.properties.draw import examples, seeds
from wfc3tvb.curve.box_mean import box_mean
from wfc3tvb.curve.intervals import Curve, measure_curve
from wfc3tvb.curve.kernels import flagged_fraction
from wfc3tvb.fits.ima import band_of
from wfc3tvb.fits.plane_medians import plane_medians
from wfc3tvb.models import ReadCube

Array = NDArray[Any]
shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))
TIMES = (3.0, 53.0, 103.0, 303.0)
#: Numbers whose sum of two is finite.
finite = st.floats(-(2.0**100), 2.0**100, width=32)
orders = st.sampled_from("<>")


@given(st.data(), shapes, orders, finite)
def test_the_median_of_a_plane_is_numpys(
    data: st.DataObject, shape: tuple[int, int], order: str, common: float
) -> None:
    values = st.just(common) | finite
    plane = data.draw(arrays.arrays(np.float32, shape, elements=values))
    assert plane_medians([plane.astype(f"{order}f4")])[0] == np.median(plane)


@given(seeds, orders, st.floats(0, 1))
def test_the_median_of_a_large_plane_of_few_values_is_numpys(seed: int, order: str, sorted_part: float) -> None:
    """Large enough to be sampled; rows that are sorted deceive a sample that is not spread evenly."""
    rng = np.random.default_rng(seed)
    plane = rng.integers(-3, 4, (150, 140)).astype(np.float32)
    n = int(sorted_part * 150)
    plane[:n] = np.sort(plane[:n].ravel()).reshape(n, 140)
    assert plane_medians([plane.astype(f"{order}f4")])[0] == np.median(plane)


@given(seeds, shapes, orders, st.integers(1, 2**15 - 1))
def test_the_fraction_of_flagged_pixels_is_counted(seed: int, shape: tuple[int, int], order: str, bits: int) -> None:
    rng = np.random.default_rng(seed)
    flags, before = (rng.integers(-(2**15), 2**15, shape, np.int16) for _ in range(2))
    skip = rng.integers(0, 2, shape, np.uint8)
    new = (flags & bits & ~before) != 0
    known = new[skip == 0].mean() if (skip == 0).any() else np.nan
    found = flagged_fraction(flags.astype(f"{order}i2"), bits, skip, before.astype(f"{order}i2"))
    np.testing.assert_equal(found, known)


@given(seeds, shapes, st.integers(0, 6), st.floats(0, 1))
def test_the_mean_of_a_box_is_that_of_its_pixels(seed: int, shape: tuple[int, int], half: int, left_out: float) -> None:
    rng = np.random.default_rng(seed)
    image = rng.normal(3, 1, shape).astype(np.float32)
    image[rng.random(shape) < 0.1] = np.nan
    skip = (rng.random(shape) < left_out).astype(np.uint8)
    known = np.full(shape, np.nan)
    for y, x in np.ndindex(*shape):
        box = np.s_[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        values = image[box][(skip[box] == 0) & np.isfinite(image[box])]
        if values.size:
            known[y, x] = values.mean(dtype=float)
    np.testing.assert_allclose(box_mean(image, skip, half), known, rtol=1e-5)


@given(st.integers(1, 1014), st.integers(1, 1100))
def test_the_middle_rows_are_in_the_middle(height: int, rows: int) -> None:
    found = band_of(height, rows)
    assert found.size == min(rows, height)
    assert found.tolist() == list(range(found[0], found[-1] + 1))
    assert 0 <= height - 1 - found[-1] - found[0] <= 1


def curve_of(cube: ReadCube, threads: int = 1) -> Curve:
    return measure_curve(cube, np.zeros(cube.rate.shape[1:], np.uint8), threads=threads)


@st.composite
def cubes(draw: st.DrawFn) -> ReadCube:
    sky = draw(st.lists(st.floats(0.2, 6), min_size=4, max_size=4))
    return make_cube(sky, TIMES, size=64, seed=draw(seeds))


@given(cubes())
def test_a_rate_is_the_median_of_the_differences(cube: ReadCube) -> None:
    curve = curve_of(cube)
    electrons = np.diff(cube.rate * cube.t[:, None, None], axis=0, prepend=0)
    known = np.median(electrons, axis=(1, 2)) / np.diff(cube.t, prepend=0)
    spread = np.std(electrons, axis=(1, 2)) / np.diff(cube.t, prepend=0)
    # Clipping at three standard deviations moves the median of a normal distribution by far less than its error.
    np.testing.assert_allclose(curve.rate, known, atol=float(0.05 * spread.max()))
    assert (np.abs(curve.rate - known) < 0.05 * spread).all()
    np.testing.assert_allclose(curve.scatter, spread, rtol=0.08)


@given(cubes(), st.integers(2, 4), orders)
def test_a_curve_does_not_depend_on_threads_or_byte_order(cube: ReadCube, threads: int, order: str) -> None:
    other = replace(cube, rate=cube.rate.astype(f"{order}f4"), dq=cube.dq.astype(f"{order}i2"))
    one, two = curve_of(cube), curve_of(other, threads)
    for name in ("rate", "rate_err", "scatter", "n_pixels", "quadrants", "lr_diff", "frac_new_cr"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)


@examples(0.4)
@given(cubes(), st.floats(0.5, 4))
def test_light_that_is_added_to_all_reads_is_added_to_all_rates(cube: ReadCube, more: float) -> None:
    one, two = curve_of(cube), curve_of(replace(cube, rate=cube.rate + np.float32(more)))
    np.testing.assert_allclose(two.rate - one.rate, more, atol=float(0.02 * one.scatter.max()))
    np.testing.assert_allclose(two.scatter, one.scatter, rtol=0.02)


@given(cubes(), st.integers(1, 3), st.sampled_from([np.nan, 0.0, np.inf]))
def test_a_read_without_light_leaves_the_electrons_to_the_next(cube: ReadCube, lost: int, value: float) -> None:
    """The next rate is that of both intervals; a read lost at the end leaves the others as they are."""
    rate = cube.rate.copy()
    rate[lost] = value
    whole, curve = curve_of(cube), curve_of(replace(cube, rate=rate))
    others = [i for i in range(4) if i not in (lost, lost + 1)]
    np.testing.assert_array_equal(curve.rate[others], whole.rate[others])
    assert np.isnan(curve.rate[lost])
    if lost < 3:
        both = whole.rate[lost : lost + 2] @ whole.dt[lost : lost + 2] / whole.dt[lost : lost + 2].sum()
        assert curve.rate[lost + 1] == pytest.approx(both, abs=0.1)
        assert curve.t_start[lost + 1] == whole.t_start[lost]
