"""Statistics of an image's sky: level, noise, histogram, gradient."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wfc3tvb.repair.proof.smooth_sky import level_and_scatter, smooth_background
from wfc3tvb.repair.proof.sorting import median_of, sorted_values

Image = NDArray[np.floating]
Float64Array = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Number of standard deviations from the median beyond which pixels are not sky.
CLIP = 4.0
_CLIP_ITERATIONS = 20
#: Columns of the left and right band of a gradient, as fractions of the width (40-240 and 760-960 of 1014: the bands
#: of published work on scattered light).
_LEFT, _RIGHT = (40 / 1014, 240 / 1014), (760 / 1014, 960 / 1014)
#: Bins of the sky histogram per expected noise, and width of its smoothing in expected noises.
_BINS_PER_NOISE, _SMOOTHING = 8, 0.4
#: Smallest height of a peak above the saddle next to it: fraction of the highest peak, and counting errors.
_PROMINENCE, _PROMINENCE_ERRORS = 0.03, 6.0
#: Fraction of the sky pixels above which those beyond `CLIP` are a part of the sky, not outliers.
FEW_OUTLIERS = 0.01
#: Distance of pixels whose differences give the local noise [pixel].
_LAG = 4
#: Smallest number of sky pixels for statistics.
MIN_PIXELS = 100
#: Smoothing [pixel], threshold [sigma] and growth [pixel] of the source mask.
_SOURCE_SMOOTHING, _SOURCE_SIGMA, _SOURCE_GROWTH = 1.5, 4.0, 3


@dataclass(frozen=True)
class SkyStatistics:
    """Statistics of the sky pixels of an image, without sources and outliers.

    Attributes
    ----------
    level, level_err : float
        Median, and its statistical error [electron/s].
    noise, noise_err : float
        Standard deviation from pixel to pixel, and its error [electron/s].
    skewness : float
        Skewness of the distribution.
    n_peaks : int
        Number of peaks of the histogram.
    gradient : float or None
        Left minus right [electron/s]; None where a band has too few pixels.
    n_pixels : int
        Number of sky pixels.
    local_noise : float
        Noise from the differences of pixels 4 apart [electron/s]: without gradients, and without nebulae.
    """

    level: float
    level_err: float
    noise: float
    noise_err: float
    skewness: float
    n_peaks: int
    gradient: float | None
    n_pixels: int
    local_noise: float

    def corrected(self, factor: float) -> SkyStatistics:
        """Return the statistics with the noise divided by `factor`, see `correlated_noise`."""
        names = ("level_err", "noise", "noise_err", "local_noise")
        return replace(self, **{name: getattr(self, name) / factor for name in names})


def clip(values: NDArray[np.floating], *, most: float = 1.0) -> Float64Array:
    """Return the sorted values within 4 sigma of the median, clipped repeatedly until nothing changes.

    The values are sorted only once; after that medians are central values, and standard deviations follow from sums,
    less those of the values removed.

    Parameters
    ----------
    values : ndarray
        Values, in any order.
    most : float, optional
        Fraction of the values that may be removed. A step that would remove more is not taken: then the values beyond
        4 sigma are too many to be outliers.
    """
    return clip_sorted(sorted_values(values).astype(np.float64), most=most)


def clip_sorted(ordered: Float64Array, *, most: float = 1.0) -> Float64Array:
    """Return what `clip` does, of values that are sorted already."""
    from_middle = ordered - ordered[ordered.size // 2]
    low, high = 0, ordered.size
    total, squares = float(from_middle.sum()), float(from_middle @ from_middle)
    for _ in range(_CLIP_ITERATIONS):
        n = high - low
        mean = total / n
        width = CLIP * np.sqrt(max(squares / n - mean**2, 0.0))
        middle = (ordered[low + (n - 1) // 2] + ordered[low + n // 2]) / 2
        first = max(low, int(np.searchsorted(ordered, middle - width, "right")))
        last = min(high, int(np.searchsorted(ordered, middle + width, "left")))
        if (first, last) == (low, high) or first >= last or ordered.size - (last - first) > most * ordered.size:
            break
        for removed in (from_middle[low:first], from_middle[last:high]):
            total, squares = total - float(removed.sum()), squares - float(removed @ removed)
        low, high = first, last
    return ordered[low:high]


def source_mask(image: Image, good: Bools, level: np.floating | None = None) -> Bools:
    """Return the pixels covered by sources and cosmic rays.

    Neither a gradient nor pixels that a broken ramp fit scattered over two or more levels are taken for sources: the
    image is smoothed, a surface is fitted to its level in blocks, and the threshold follows from the scatter of the
    smoothed sky itself.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Calibrated image [electron/s].
    good : ndarray of bool, shape (ny, nx)
        Pixels that can be used.
    level : float, optional
        Their median, if it is known.
    """
    level = median_of(image[good]) if level is None else level
    filled = np.where(good, image - level, np.float32(0.0))
    weight = ndimage.gaussian_filter(good.astype(np.float32), _SOURCE_SMOOTHING)
    smooth = ndimage.gaussian_filter(filled, _SOURCE_SMOOTHING) / np.maximum(weight, np.float32(0.1))
    smooth -= smooth_background(smooth, good)
    middle, sigma = level_and_scatter(smooth[good])
    return grown(smooth > middle + _SOURCE_SIGMA * sigma, _SOURCE_GROWTH)


def grown(mask: Bools, steps: int) -> Bools:
    """Return a mask with the four neighbours of its pixels added, repeatedly."""
    for _ in range(steps):
        wider = mask.copy()
        wider[1:] |= mask[:-1]
        wider[:-1] |= mask[1:]
        wider[:, 1:] |= mask[:, :-1]
        wider[:, :-1] |= mask[:, 1:]
        mask = wider
    return mask


def sky_values(image: Image, sky: Bools) -> Float64Array:
    """Return the values of the sky pixels of an image in ascending order."""
    return sorted_values(image[sky]).astype(np.float64)


def sky_statistics(
    image: Image,
    sky: Bools,
    *,
    resolution: float,
    most_outliers: float = FEW_OUTLIERS,
    ordered: Float64Array | None = None,
) -> SkyStatistics:
    """Return the statistics of the sky pixels of an image.

    Parameters
    ----------
    image : ndarray, shape (ny, nx)
        Calibrated image [electron/s].
    sky : ndarray of bool, shape (ny, nx)
        Sky pixels.
    resolution : float
        Noise expected of an undamaged image [electron/s]: no real peak of the histogram is narrower.
    most_outliers : float, optional
        Fraction of the pixels that may be clipped at 4 sigma as outliers. Where a ramp fit broke in a few percent of
        the pixels, these are noise of the image; cosmic rays that stay in an image are not, and need a larger fraction.
    ordered : ndarray, optional
        The values of the sky pixels in ascending order, if they are known (`sky_values`).

    Raises
    ------
    ValueError
        If there are fewer than 100 sky pixels.
    """
    if np.count_nonzero(sky) < MIN_PIXELS:
        raise ValueError("fewer than 100 sky pixels")
    values = clip_sorted(sky_values(image, sky) if ordered is None else ordered, most=most_outliers)
    n, deviation = values.size, values - values.mean()
    squares = deviation**2
    variance = float(squares.mean())
    noise = float(np.sqrt(variance * n / (n - 1)))
    skewness = float((squares * deviation).mean() / variance**1.5) if variance else 0.0
    excess = float((squares**2).mean() / variance**2 - 3.0) if variance else 0.0
    return SkyStatistics(
        level=float(values[(n - 1) // 2] + values[n // 2]) / 2,
        level_err=float(np.sqrt(np.pi / 2 / n)) * noise,
        noise=noise,
        # Variance of a standard deviation for any kurtosis (Kendall & Stuart, vol. 1, 10.15).
        noise_err=noise * float(np.sqrt(max(excess + 2.0, 0.1) / (4 * n))),
        skewness=skewness,
        n_peaks=count_peaks(values, resolution),
        gradient=gradient(image, sky),
        n_pixels=n,
        local_noise=_local_noise(image, sky, most_outliers) or noise,
    )


def _local_noise(image: Image, sky: Bools, most_outliers: float) -> float | None:
    """Return the noise from differences of pixels in a row, beyond the correlation of drizzled pixels."""
    pair = sky[:, :-_LAG] & sky[:, _LAG:]
    if np.count_nonzero(pair) < MIN_PIXELS:
        return None
    difference = (image[:, _LAG:] - image[:, :-_LAG])[pair]
    return float(np.std(clip(difference, most=most_outliers)) / np.sqrt(2))


def histogram(values: Float64Array, resolution: float) -> tuple[Float64Array, Float64Array]:
    """Return edges and counts of a histogram of sorted values that resolves peaks as narrow as `resolution`."""
    low, high = float(values[0]), float(values[-1])
    n_bins = int(np.clip((high - low) / resolution * _BINS_PER_NOISE, 16, 2000))
    edges = np.histogram_bin_edges(values[:0], n_bins, (low, high))
    below = np.searchsorted(values, edges)
    below[-1] = values.size  # the last bin includes its end
    return edges, np.diff(below).astype(np.float64)


def count_peaks(values: Float64Array, resolution: float) -> int:
    """Return the number of significant peaks of a distribution.

    Parameters
    ----------
    values : ndarray
        Clipped sky pixels [electron/s].
    resolution : float
        Width of the narrowest real peak, as a standard deviation [electron/s].
    """
    edges, counts = histogram(values, resolution)
    width = _SMOOTHING * resolution / (edges[1] - edges[0])
    smooth = ndimage.gaussian_filter1d(counts, width, mode="constant")
    # A count of n smoothed by a Gaussian of that width has the variance n / (2 sqrt(pi) width).
    errors = np.sqrt(np.maximum(smooth, 1.0) / (2 * np.sqrt(np.pi) * max(width, 0.3)))
    found, heights = peaks_of(np.concatenate([[0.0], smooth, [0.0]]))
    real = (heights >= _PROMINENCE * smooth.max()) & (heights > _PROMINENCE_ERRORS * errors[found - 1])
    return int(np.count_nonzero(real))


def peaks_of(values: Float64Array) -> tuple[NDArray[np.int64], Float64Array]:
    """Return the places of the local maxima of a curve, and the height of each above its saddle (its prominence).

    Written out, because importing `scipy.signal` takes longer than the comparison of an exposure. The place of a flat
    maximum is its middle. The saddle is the higher one of the lowest points between a maximum and the next higher
    values on either side, or the ends.
    """
    starts = np.flatnonzero(np.diff(values, prepend=np.nan))
    level, ends = values[starts], np.append(starts[1:], values.size)
    highest = np.flatnonzero((level[1:-1] > level[:-2]) & (level[1:-1] > level[2:])) + 1
    places = (starts[highest] + ends[highest] - 1) // 2
    heights = np.zeros(places.size)
    for i, place in enumerate(places):
        higher = np.flatnonzero(values > values[place])
        split = np.searchsorted(higher, place)
        left = higher[split - 1] + 1 if split > 0 else 0
        right = higher[split] if split < higher.size else values.size
        heights[i] = values[place] - max(values[left : place + 1].min(), values[place:right].min())
    return places, heights


def gradient(image: Image, sky: Bools) -> float | None:
    """Return the sky's level on the left minus that on the right [electron/s]; None where a band has too few pixels."""
    width = image.shape[1]
    levels = []
    for first, last in (_LEFT, _RIGHT):
        columns = slice(int(first * width), max(int(last * width), int(first * width) + 1))
        values = image[:, columns][sky[:, columns]]
        if values.size < MIN_PIXELS:
            return None
        kept = clip(values)
        levels.append(float(kept[(kept.size - 1) // 2] + kept[kept.size // 2]) / 2)
    return levels[0] - levels[1]


def correlated_noise(pixfrac: float, scale: float) -> float:
    """Return the ratio of the noise from pixel to pixel in a drizzled image to that in areas of many pixels.

    From Casertano et al. 2000 (AJ 120, 2747), appendix A. The measured noise divided by this is that of the sky.

    Parameters
    ----------
    pixfrac : float
        Size of the drop in input pixels.
    scale : float
        Size of an output pixel in input pixels.
    """
    if pixfrac <= 0:
        return 1.0
    ratio = scale / pixfrac
    return ratio * (1 - ratio / 3) if ratio < 1 else 1 - 1 / (3 * ratio)
