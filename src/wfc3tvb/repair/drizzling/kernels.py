"""Compiled loops over pixels that drizzle and blot as drizzlepac's C code does, bit for bit (Fruchter & Hook 2002).

Positions, areas and sums are computed in the precision and the order of drizzlepac 3.11 (cdriz), because the last bit
of an area decides whether a pixel counts as covered. Pixels are counted from 1 in positions, from 0 in arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.system.compiled import compiled, vectorized

_ZERO, _ONE, _TWO, _FOUR, _SIX = (np.float32(value) for value in (0, 1, 2, 4, 6))
_SIXTH, _120TH = np.float32(1) / np.float32(6), np.float32(1) / np.float32(120)
#: Rows and columns that the quintic interpolation reads before and after a pixel.
BEFORE, AFTER = 2, 3
#: Smallest positive number of double precision, from which cdriz searches the largest coordinate of a drop.
_TINY = 2.2250738585072014e-308
#: Coordinates from which subtracting a half-integer up to 4 smaller is exact: with 53 bits, from 4 on.
_EXACT = 4.0


class Grid(NamedTuple):
    """Positions in the output image at nodes of the input image, between which they are interpolated linearly.

    Attributes
    ----------
    x, y : ndarray, shape (ny // step + 2, nx // step + 2), float64
        Position in the output of input position ``(i * step, j * step)``.
    step : float
        Distance of the nodes [pixel].
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    step: float


class Exposure(NamedTuple):
    """Exposure to be drizzled.

    Attributes
    ----------
    image, weight : ndarray, shape (ny, nx), float32
        Rates, and weight of each pixel.
    grid : Grid
        Where its pixels lie in the output.
    bit : int32
        Its bit in the context image.
    scale2 : float
        Area of an output pixel over that of an input pixel.
    scale : float
        Size of an output pixel over that of an input pixel.
    pixfrac : float
        Size of a drop in input pixels.
    weight_scale : float32
        Factor of the weights.
    """

    image: NDArray[np.float32]
    weight: NDArray[np.float32]
    grid: Grid
    bit: np.int32
    scale2: float
    scale: float
    pixfrac: float
    weight_scale: np.float32


class Output(NamedTuple):
    """Drizzled image that exposures are added to: rate, weight (float32), and context (int32); shape (ny, nx)."""

    image: NDArray[np.float32]
    weight: NDArray[np.float32]
    context: NDArray[np.int32]


@compiled
def _places_of_row(grid_x, grid_y, step, first, y, out_x, out_y):
    """Compute the positions in the output of a row of input positions, beginning at ``(first, y)``, 1 apart."""
    v = y / step
    j = int(np.floor(v))
    g = v - j
    h = 1.0 - g
    x = first
    for k in range(out_x.size):
        u = x / step
        i = int(np.floor(u))
        f = u - i
        e = 1.0 - f
        out_x[k] = (
            grid_x[j, i] * e * h + grid_x[j, i + 1] * f * h + grid_x[j + 1, i] * e * g + grid_x[j + 1, i + 1] * f * g
        )
        out_y[k] = (
            grid_y[j, i] * e * h + grid_y[j, i + 1] * f * h + grid_y[j + 1, i] * e * g + grid_y[j + 1, i + 1] * f * g
        )
        x += 1.0


@compiled
def _rounded(x):
    """Round to the nearest integer, halves away from zero."""
    return int(np.floor(x + 0.5)) if x >= 0 else -int(np.floor(0.5 - x))


@compiled
def _mean(old, before, value, weight):
    """Return what a pixel of the output becomes with another value: the mean by weight, and the sum of the weights."""
    total = np.float64(before + weight)
    if before == 0:
        return value, np.float32(total)
    if total != 0:
        return np.float32(np.float64(old * before + weight * value) / total), np.float32(total)
    return old, np.float32(total)


def drizzle_turbo(exposure: Exposure, out: Output) -> None:
    """Add an exposure to an image; drops are squares along the axes of the output."""
    _drizzle_turbo(exposure, out, np.empty((2, exposure.image.shape[1])))


@compiled
def _drizzle_turbo(exposure, out, room):
    data, weights, bit = exposure.image, exposure.weight, exposure.bit
    grid_x, grid_y, step = exposure.grid
    image, sums, context = out
    ny, nx = data.shape
    rows, columns = image.shape
    half = exposure.pixfrac / exposure.scale / 2.0
    area = exposure.scale2 * (1.0 / (exposure.pixfrac * exposure.pixfrac))
    stretch, weight_scale = np.float32(exposure.scale2), exposure.weight_scale
    all_x, all_y = room[0], room[1]
    for j in range(ny):
        _places_of_row(grid_x, grid_y, step, 1.0, j + 1.0, all_x, all_y)
        for i in range(nx):
            left, right = all_x[i] - 1.0 - half, all_x[i] - 1.0 + half
            low, high = all_y[i] - 1.0 - half, all_y[i] - 1.0 + half
            value, weight = data[j, i] * stretch, np.float64(weights[j, i] * weight_scale)
            for row in range(max(_rounded(low), 0), min(_rounded(high), rows - 1) + 1):
                dy = min(high, row + 0.5) - max(low, row - 0.5)
                for column in range(max(_rounded(left), 0), min(_rounded(right), columns - 1) + 1):
                    dx = min(right, column + 0.5) - max(left, column - 0.5)
                    if dx > 0 and dy > 0:
                        added = np.float32(dx * dy * area * weight)
                        if added > 0:
                            context[row, column] |= bit
                        mean, total = _mean(image[row, column], sums[row, column], value, added)
                        image[row, column], sums[row, column] = mean, total


@compiled
def _area_below(x1, y1, x2, dx, slope):
    """Return the area between a line segment and the x axis inside the unit square; negative from right to left."""
    if dx == 0:
        return 0.0
    low, high = (x2, x1) if dx < 0 else (x1, x2)
    if low >= 1 or high <= 0:
        return 0.0
    low, high = max(low, 0.0), min(high, 1.0)
    offset = y1 - slope * x1
    bottom, top = slope * low + offset, slope * high + offset
    if bottom <= 0 and top <= 0:
        return 0.0
    if bottom < 0:
        bottom, low = 0.0, -offset / slope
    if top < 0:
        top, high = 0.0, -offset / slope
    if bottom >= 1 and top >= 1:
        area = high - low
    elif bottom <= 1 and top <= 1:
        area = 0.5 * (high - low) * (top + bottom)
    elif bottom <= 1:
        crossing = (1.0 - offset) / slope
        area = 0.5 * (crossing - low) * (1.0 + bottom) + high - crossing
    else:
        crossing = (1.0 - offset) / slope
        area = 0.5 * (high - crossing) * (1.0 + top) + crossing - low
    return -area if dx < 0 else area


@compiled
def _overlap(x0, y0, x1, y1, x2, y2, x3, y3, u, v):
    """Return the area that a quadrilateral, its corners in clockwise order, has in common with a pixel.

    The corner of the pixel is at (u, v).
    """
    x0, x1, x2, x3 = x0 - u, x1 - u, x2 - u, x3 - u
    y0, y1, y2, y3 = y0 - v, y1 - v, y2 - v, y3 - v
    total = 0.0 + _area_below(x0, y0, x1, x1 - x0, (y1 - y0) / (x1 - x0))
    total += _area_below(x1, y1, x2, x2 - x1, (y2 - y1) / (x2 - x1))
    total += _area_below(x2, y2, x3, x3 - x2, (y3 - y2) / (x3 - x2))
    return total + _area_below(x3, y3, x0, x0 - x3, (y0 - y3) / (x0 - x3))


def drizzle_square(exposure: Exposure, out: Output) -> None:
    """Add an exposure to an image; drops are the quadrilaterals that the pixels make in the output."""
    _drizzle_square(exposure, out, np.empty((2, 4, exposure.image.shape[1])))


@compiled
def _drizzle_square(exposure, out, room):
    data, weights, bit = exposure.image, exposure.weight, exposure.bit
    grid_x, grid_y, step = exposure.grid
    image, sums, context = out
    ny, nx = data.shape
    rows, columns = image.shape
    half = 0.5 * exposure.pixfrac
    stretch, weight_scale = np.float32(exposure.scale2), exposure.weight_scale
    x, y = room[0], room[1]
    for j in range(ny):
        _places_of_row(grid_x, grid_y, step, 1.0 - half, (j + 1.0) + half, x[0], y[0])
        _places_of_row(grid_x, grid_y, step, 1.0 + half, (j + 1.0) + half, x[1], y[1])
        _places_of_row(grid_x, grid_y, step, 1.0 + half, (j + 1.0) - half, x[2], y[2])
        _places_of_row(grid_x, grid_y, step, 1.0 - half, (j + 1.0) - half, x[3], y[3])
        for i in range(nx):
            x0, x1, x2, x3 = x[0, i] - 1.0, x[1, i] - 1.0, x[2, i] - 1.0, x[3, i] - 1.0
            y0, y1, y2, y3 = y[0, i] - 1.0, y[1, i] - 1.0, y[2, i] - 1.0, y[3, i] - 1.0
            jacobian = 0.5 * ((x1 - x3) * (y0 - y2) - (x0 - x2) * (y1 - y3))
            if jacobian < 0:
                jacobian, x1, y1, x3, y3 = -jacobian, x3, y3, x1, y1
            value, weight = data[j, i] * stretch, np.float64(weights[j, i] * weight_scale)
            left, right = min(x0, x1, x2, x3), max(x0, x1, x2, x3, _TINY)
            low, high = min(y0, y1, y2, y3), max(y0, y1, y2, y3, _TINY)
            # Differences of corners are the same for every pixel of the output where subtracting its place is exact.
            far = min(left, low) >= _EXACT
            d0, d1, d2, d3 = x1 - x0, x2 - x1, x3 - x2, x0 - x3
            s0, s1, s2, s3 = (y1 - y0) / d0, (y2 - y1) / d1, (y3 - y2) / d2, (y0 - y3) / d3
            for row in range(max(_rounded(low), 0), min(_rounded(high), rows - 1) + 1):
                for column in range(max(_rounded(left), 0), min(_rounded(right), columns - 1) + 1):
                    u, v = column - 0.5, row - 0.5
                    if far:
                        area = 0.0 + _area_below(x0 - u, y0 - v, x1 - u, d0, s0)
                        area += _area_below(x1 - u, y1 - v, x2 - u, d1, s1)
                        area += _area_below(x2 - u, y2 - v, x3 - u, d2, s2)
                        area += _area_below(x3 - u, y3 - v, x0 - u, d3, s3)
                    else:
                        area = _overlap(x0, y0, x1, y1, x2, y2, x3, y3, u, v)
                    if area > 0:
                        added = np.float32(area / jacobian * weight)
                        if added > 0:
                            context[row, column] |= bit
                        mean, total = _mean(image[row, column], sums[row, column], value, added)
                        image[row, column], sums[row, column] = mean, total


def places(grid: Grid, x: NDArray[np.float32], y: NDArray[np.float32]) -> None:
    """Compute the positions in the other image of all pixels, as numbers of single precision counted from 0."""
    _places(grid, x, y, np.empty((2, x.shape[1])))


@compiled
def _places(grid, x, y, room):
    grid_x, grid_y, step = grid
    px, py = room[0], room[1]
    for j in range(x.shape[0]):
        _places_of_row(grid_x, grid_y, step, 1.0, j + 1.0, px, py)
        for i in range(x.shape[1]):
            x[j, i], y[j, i] = np.float32(px[i] - 1.0), np.float32(py[i] - 1.0)


@compiled
def _everett(s, c0, c1, c2, c3, c4, c5):
    """Interpolate between c2 and c3 by Everett's formula with differences of second and fourth order."""
    t = _ONE - s
    s2, t2 = s * s, t * t
    second0, second1 = _SIXTH * (c3 - _TWO * c2 + c1), _SIXTH * (c4 - _TWO * c3 + c2)
    fourth0 = _120TH * (c0 - _FOUR * c1 + _SIX * c2 - _FOUR * c3 + c4)
    fourth1 = _120TH * (c1 - _FOUR * c2 + _SIX * c3 - _FOUR * c4 + c5)
    later = s * (c3 + (s2 - _ONE) * (second1 + (s2 - _FOUR) * fourth1))
    return later + t * (c2 + (t2 - _ONE) * (second0 + (t2 - _FOUR) * fourth0))


def blot_inside(
    columns_of: NDArray[np.float32],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    factor: np.float32,
    area: np.float32,
    out: NDArray[np.float32],
) -> None:
    """Interpolate an image at positions by a polynomial of fifth degree; positions near its edge are left out.

    Parameters
    ----------
    columns_of : ndarray, shape (columns, rows + 4), float32
        The image with its columns as rows, so that one instruction works on a column; the last four are not used.
    x, y : ndarray, shape (ny, nx), float32
        Positions, counted from 0.
    factor, area : float32
        The result is multiplied by the first and divided by the second.
    out : ndarray, shape (ny, nx), float32
        Result; unchanged near the edge of the image.
    """
    _blot_inside(columns_of, x, y, factor, area, out, np.empty(8, np.float32))


@vectorized
def _blot_inside(columns_of, x, y, factor, area, out, z):
    columns, rows = columns_of.shape[0], columns_of.shape[1] - 4
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            px, py = x[j, i], y[j, i]
            if not (px >= 2 and py >= 2 and px < columns - AFTER and py < rows - AFTER):
                continue
            c, r = int(px), int(py)
            # cdriz interpolates at 3 plus the fraction, which rounds it.
            s = (np.float32(3) + (px - np.float32(c))) - np.float32(3)
            t = (np.float32(3) + (py - np.float32(r))) - np.float32(3)
            for k in range(8):
                q = r - 2 + k
                z[k] = _everett(
                    s, columns_of[c - 2, q], columns_of[c - 1, q], columns_of[c, q], columns_of[c + 1, q],
                    columns_of[c + 2, q], columns_of[c + 3, q],
                )  # fmt: skip
            out[j, i] = _everett(t, z[0], z[1], z[2], z[3], z[4], z[5]) * factor / area


def near_edge(shape: tuple[int, int], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the indices (flat) of positions inside an image of that shape, for which `blot_inside` does nothing."""
    found = np.empty(x.size, np.int64)
    return found[: _near_edge(shape[0], shape[1], x.ravel(), y.ravel(), found)]


@compiled
def _near_edge(rows, columns, all_x, all_y, found):
    n = 0
    for k in range(all_x.size):
        px, py = all_x[k], all_y[k]
        if px >= 2 and py >= 2 and px < columns - AFTER and py < rows - AFTER:
            continue
        if px >= 0 and px <= columns and py >= 0 and py <= rows:
            found[n] = k
            n += 1
    return n


@compiled
def _derivative(image, j, i):
    """Return the largest difference of a pixel and its neighbours, as drizzlepac's qderiv defines it at the edges."""
    ny, nx = image.shape
    here = np.float64(image[j, i])
    left = image[j, i - 1] if j < ny - 1 and 1 <= i < nx - 1 else 0.0
    right = image[j, i + 1] if j < ny - 1 and i < nx - 2 else 0.0
    below = image[j - 1, i] if 1 <= j < ny - 1 and i < nx - 1 else 0.0
    above = image[j + 1, i] if j < ny - 2 and i < nx - 1 else 0.0
    return np.float32(max(max(abs(here - left), abs(here - right)), max(abs(here - below), abs(here - above))))


@compiled
def differ(image, blotted, numbers, certain, possible):
    """Mark pixels that differ from the blotted image by more than the first limit, and by more than the second.

    Parameters
    ----------
    image, blotted : ndarray, shape (ny, nx), float32
        Exposure, and what it would be without cosmic rays [electron].
    numbers : tuple of float32
        Gain, background, variance of the read noise, multiples of the derivative and multiples of the noise.
    certain, possible : ndarray of bool, shape (ny, nx)
        Result.
    """
    gain, background, variance, scale1, scale2, snr1, snr2 = numbers
    for j in range(image.shape[0]):
        for i in range(image.shape[1]):
            apart = abs(image[j, i] - blotted[j, i])
            noise = np.sqrt(gain * abs(blotted[j, i] + background) + variance)
            derivative = _derivative(blotted, j, i)
            certain[j, i] = not apart <= scale1 * derivative + snr1 * noise / gain
            possible[j, i] = not apart <= scale2 * derivative + snr2 * noise / gain
