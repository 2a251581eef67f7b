"""The compiled loops against their plain definition, on planes of a few pixels in either byte order."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wfc3tvb.curve.box_mean import box_mean
from wfc3tvb.curve.kernels import (
    N_BINS,
    Bins,
    Brightness,
    CellGrid,
    Difference,
    Mask,
    bright_pixels,
    clipped_medians,
    difference_histogram,
    flagged_fraction,
    flat_words,
    stored_bits,
)

SHAPE = 5, 7
ORDERS = ("<", ">")


def plane(seed: int, order: str, low: float = 0, high: float = 3, *, border: int = 0) -> NDArray[np.float32]:
    """Return rates; with a border, rows are apart in memory."""
    wide = tuple(n + 2 * border for n in SHAPE)
    made = np.random.default_rng(seed).uniform(low, high, wide).astype(f"{order}f4")
    return made[border : wide[0] - border, border : wide[1] - border]


def difference(later: NDArray[np.float32], earlier: NDArray[np.float32], a: float, b: float) -> Difference:
    words = flat_words(later, "<u4"), flat_words(earlier, "<u4")
    return Difference(*words, later.dtype.newbyteorder("=") != later.dtype, np.float32(a), np.float32(b))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("border", [0, 2])
def test_words_of_a_plane_are_those_in_memory(order: str, border: int) -> None:
    given = plane(1, order, border=border)
    words = flat_words(given, "<u4")
    assert words.stride == 7 + 2 * border
    assert words.values.size == 4 * words.stride + 7
    assert np.shares_memory(words.values, given)
    rows = np.lib.stride_tricks.as_strided(words.values, SHAPE, (4 * words.stride, 4))
    np.testing.assert_array_equal(rows.view(f"{order}f4"), given)


def test_pixels_that_are_apart_are_copied() -> None:
    given = plane(1, "<")[:, ::2]
    words = flat_words(given, "<u4")
    assert (words.stride, words.values.size) == (4, 20)
    assert not np.shares_memory(words.values, given)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("border", [0, 1])
def test_histograms_of_the_cells(order: str, border: int) -> None:
    """Bins of 0.5 from -1 on: bin 1 holds -1 to -0.5, bin 0 what is below, left out or NaN, the last all above."""
    later, earlier = plane(2, order, -3, 3, border=border), plane(3, order, border=border)
    later[0, 0], later[1, 1], later[2, 2] = 5000, -5000, np.nan
    skip = np.zeros(SHAPE, np.uint8)
    skip[3, 4] = skip[4, 6] = 1
    cells = CellGrid(np.array([0, 0, 1, 1, 1]), np.array([0, 3, 5, 7]))
    histogram = np.zeros((2, 3, N_BINS + 2), np.uint32)
    histogram[0, 0, 7] = 1
    difference_histogram(
        difference(later, earlier, 2.0, 1.5),
        skip,
        cells,
        Bins(np.float32(-1), np.float32(2)),
        np.empty((3, SHAPE[1]), np.uint32),
        histogram,
    )
    expected = np.zeros_like(histogram)
    expected[0, 0, 7] = 1
    with np.errstate(invalid="ignore"):
        position = np.floor((later.astype(float) * 2 - earlier.astype(float) * 1.5 + 1) * 2 + 1)
    for y, x in np.ndindex(SHAPE):
        bin_ = 0 if skip[y, x] or np.isnan(position[y, x]) else int(np.clip(position[y, x], 0, N_BINS + 1))
        expected[0 if y < 2 else 1, 0 if x < 3 else 1 if x < 5 else 2, bin_] += 1
    np.testing.assert_array_equal(histogram, expected)
    assert histogram[0, 0, N_BINS + 1] == 1


def grouped(values: NDArray[np.int64], half: int) -> NDArray[np.float64]:
    """Return the values of bins spread evenly over ``2 half + 1`` bins around them, a hundred parts of each."""
    parts = (np.arange(100) + 0.5) / 100 * (2 * half + 1) - half
    return (values[:, None] - 1 + parts).ravel()


@pytest.mark.parametrize("half", [0, 3])
def test_median_and_scatter_of_what_is_not_clipped(half: int) -> None:
    """Iterated clipping of the spread values with plain percentiles; a tail of sources goes. In bins from the first."""
    rng = np.random.default_rng(4)
    values = np.concatenate([rng.normal(900, 40, 3000), rng.uniform(1000, 2000, 300)]).astype(np.int64)
    histogram = np.zeros((2, 3, N_BINS + 2), np.uint32)
    np.add.at(histogram[1, 2], values[:1500], 1)
    np.add.at(histogram[0, 1], values[1500:], 1)
    histogram[0, 0, 500] = 100_000
    histogram[:, :, 0] = histogram[:, :, -1] = 5000  # neither counts
    found = clipped_medians(
        histogram, np.array([[0, 2, 1, 3], [1, 2, 2, 3], [0, 2, 0, 1], [0, 1, 2, 3]]), clip=3.0, half=half
    )
    for row, sample in ((0, values), (1, values[:1500])):
        spread, low, high = grouped(sample, half), -10.0, float(N_BINS)
        for _ in range(10):
            kept = spread[(spread >= low) & (spread < high)]
            below, middle, above = np.percentile(kept, [15.87, 50, 84.13])
            scatter = max((above - below) / 2, 1)
            low, high = int(middle - 3 * scatter), int(middle + 3 * scatter) + 1
        assert found[row] == pytest.approx([middle, (above - below) / 2, len(kept) / 100], abs=0.5)
        assert found[row, 0] == pytest.approx(middle, abs=0.05)
    width = 2 * half + 1
    assert found[2] == pytest.approx([499.5, 0.3413 * width, 100_000], rel=1e-6)
    np.testing.assert_array_equal(found[3], [np.nan, np.nan, 0])


@pytest.mark.parametrize(("n", "known"), [(9, False), (10, True)])
def test_a_median_needs_ten_pixels(n: int, known: bool) -> None:
    histogram = np.zeros((1, 1, N_BINS + 2), np.uint32)
    histogram[0, 0, 100] = n
    (found,) = clipped_medians(histogram, np.array([[0, 1, 0, 1]]), clip=3.0, half=0)
    assert np.isfinite(found).all() == known
    assert found[2] == (n if known else 0)


@pytest.mark.parametrize("order", ORDERS)
def test_fraction_of_new_flags(order: str) -> None:
    """Of 35 pixels 3 are left out: 4 of 32 have a flag of 256 or 4; two of these had it before."""
    flags, before = np.zeros(SHAPE, f"{order}i2"), np.zeros(SHAPE, f"{order}i2")
    flags[0, 0], flags[1, 2], flags[2, 3], flags[4, 6], flags[3, 3], flags[3, 0] = 256, 4, 260, 256, 256, 512
    before[0, 0], before[2, 3], before[4, 6], before[1, 2] = 256, 260, 512, 256
    skip = np.zeros(SHAPE, np.uint8)
    skip[3, 3] = skip[3, 4] = skip[3, 5] = 1
    assert flagged_fraction(flags, 260, skip) == 4 / 32
    assert flagged_fraction(flags, 260, skip, before) == 2 / 32
    assert flagged_fraction(flags, 512, skip) == 1 / 32
    assert np.isnan(flagged_fraction(flags, 260, np.ones(SHAPE, np.uint8)))
    few = np.ones(SHAPE, np.uint8)
    few[1, 2] = 0
    assert flagged_fraction(flags, 260, few) == 1.0
    assert stored_bits(260, flags) == (260 if order == "<" else 1025)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("border", [0, 1])
@pytest.mark.parametrize("step", [1, 2])
def test_bright_pixels_shine_in_one_interval_alone(order: str, border: int, step: int) -> None:
    """More than 6 sigma above sky and source: 5 % of the source, and its photons, are allowed in addition."""
    later, earlier, draft = (plane(k, order, 0.5, 2.5, border=border) for k in (5, 6, 7))
    flags = np.random.default_rng(8).choice([0, 0, 0, 1, 2], SHAPE).astype(np.uint16)
    level, draft_level, limit, photons = (np.float32(value) for value in (0.3, 1.0, 0.4, 0.7))
    out = np.zeros((-(-SHAPE[0] // step), -(-SHAPE[1] // step)), np.uint8)
    n = bright_pixels(
        difference(later, earlier, 1.5, 0.5), flat_words(draft, "<u4"), Mask(flat_words(flags, "<u2"), np.uint16(1)),
        Brightness(level, draft_level, limit, photons), step, np.empty(3, np.uint32), out,
    )  # fmt: skip
    source = np.maximum(draft.astype(float) - 1.0, 0)
    above = later.astype(float) * 1.5 - earlier.astype(float) * 0.5 - 0.3 - source
    noise = 0.05 * source + 0.4
    expected = ((above > noise) & ((above - noise) ** 2 > 0.7 * source) & (flags & 1 == 0))[::step, ::step]
    np.testing.assert_array_equal(out, expected)
    assert n == expected.sum()
    assert 0 < n < out.size


@pytest.mark.parametrize("half", [0, 1, 2, 9])
def test_mean_of_a_box(half: int) -> None:
    image = plane(9, "<").copy()
    image[1, 1], image[4, 5] = np.nan, np.nan
    skip = (np.random.default_rng(10).random(SHAPE) < 0.4).astype(np.uint8)
    skip[:3, 4:] = 1
    used = (skip == 0) & np.isfinite(image)
    expected = np.full(SHAPE, np.nan)
    for y, x in np.ndindex(SHAPE):
        box = np.s_[max(y - half, 0) : y + half + 1, max(x - half, 0) : x + half + 1]
        if used[box].any():
            expected[y, x] = image[box][used[box]].astype(float).mean()
    np.testing.assert_allclose(box_mean(image, skip, half), expected, rtol=1e-6)
    assert half > 1 or np.isnan(expected).any()


def test_values_in_the_first_and_the_last_bin_count() -> None:
    """20 in bin 1, which is from 0 to 1, and in the last, from 2047 to 2048: their medians are in the middle."""
    histogram = np.zeros((1, 2, N_BINS + 2), np.uint32)
    histogram[0, 0, 1] = histogram[0, 1, N_BINS] = 20
    found = clipped_medians(histogram, np.array([[0, 1, 0, 1], [0, 1, 1, 2]]), clip=3.0, half=0)
    np.testing.assert_allclose(found, [[0.5, 0.3413, 20], [N_BINS - 0.5, 0.3413, 20]], rtol=1e-9)


def test_a_tail_below_is_clipped_as_one_above_it() -> None:
    """Sky near the last bin, with a tail towards the first: the upper end stays, and only the lower one moves."""
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.normal(2000, 12, 3000), rng.uniform(900, 1960, 600)]).astype(np.int64)
    histogram = np.zeros((1, 1, N_BINS + 2), np.uint32)
    np.add.at(histogram[0, 0], values, 1)
    (found,) = clipped_medians(histogram, np.array([[0, 1, 0, 1]]), clip=3.0, half=0)
    spread, low, high = grouped(values, 0), 0.0, float(N_BINS)
    for _ in range(10):
        kept = spread[(spread >= low) & (spread < high)]
        below, middle, above = np.percentile(kept, [15.87, 50, 84.13])
        scatter = (above - below) / 2
        low, high = max(0, int(middle - 3 * scatter)), min(N_BINS, int(middle + 3 * scatter) + 1)
    assert high < N_BINS
    assert found == pytest.approx([middle, scatter, len(kept) / 100], abs=0.5)
    assert found[0] == pytest.approx(middle, abs=0.05)
