"""Fit the ramps of an exposure whose sky is known read by read."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wfc3tvb.calibration.likelihood.block import first_rates, fit_rows, new_block
from wfc3tvb.calibration.likelihood.model import (
    Exposure,
    Float32Array,
    Float64Array,
    Frame,
    Limits,
    OptimalFit,
    OptimalSettings,
    Output,
)
from wfc3tvb.calibration.likelihood.pixel import new_intervals
from wfc3tvb.system.threads import for_each

#: Read noise of a single read [electron] and dark rate [electron/s] (WFC3 Instrument Handbook 5.7).
READ_NOISE, DARK = 14.6, 0.048
#: The photon noise of a pixel this many standard deviations bright is computed from its own rate, that of others from
#: the mean of the 3 x 3 pixels around: a faint pixel's own rate is correlated with its noise (Brandt 2024, section 5).
_BRIGHT = 10.0
#: Relative change of the variance above which a pixel is fitted again; smaller ones change its noise by less than 1e-4.
_CHANGED = 0.01
#: Variance of an interval that is left out [electron^2].
_INFINITE = 1e20


def fit_ramps_optimal(
    rate: ArrayLike,
    times: ArrayLike,
    sky: ArrayLike,
    *,
    dq: ArrayLike | None = None,
    read_noise: ArrayLike = READ_NOISE,
    dark: ArrayLike = DARK,
    flat: ArrayLike = 1.0,
    template: ArrayLike = 0.0,
    amplitudes: ArrayLike = 0.0,
    left_out: ArrayLike | None = None,
    settings: OptimalSettings | None = None,
    threads: int = 1,
) -> OptimalFit:
    """Fit the ramps of an exposure with a known, variable sky; the image has the least possible noise.

    The differences of neighboring reads, minus the sky, are fitted with one rate per pixel, weighted by the covariance
    of photon and read noise (generalized least squares). Hits are intervals for which an added jump lowers chi^2
    significantly. Saturated and lost reads are left out.

    Parameters
    ----------
    rate : array, shape (n, ny, nx)
        Cumulative rate since the zeroth read of reads 1 to n, in time order, calibrated without the ramp fit
        (CRCORR=OMIT) [electron/s].
    times : array, shape (n,)
        Time of each read since the zeroth [s], increasing.
    sky : array, shape (n,)
        Rate of the sky in the interval that ends at each read [electron/s]; column ``rate`` of the table ``reads``.
    dq : array of int, shape (n, ny, nx), optional
        Flags: reads with 1, 2 or 1024 are left out, from 256 on all later ones too; 8192 marks a known hit.
    read_noise : float or array, shape (ny, nx), optional
        Noise of a single read [electron].
    dark : float or array, shape (ny, nx), optional
        Dark rate that was subtracted, whose noise remains [electron/s].
    flat : float or array, shape (ny, nx), optional
        Flat field that the rates were divided by.
    template : float or array, shape (ny, nx), optional
        Shape of scattered light.
    amplitudes : array, shape (n,), optional
        Amplitude of the template in each interval [electron/s].
    left_out : array of bool, shape (n,), optional
        Intervals not to be used in any pixel, for light that neither `sky` nor the template describes.
    settings : OptimalSettings, optional
        Settings of the search for hits.
    threads : int, optional
        Number of threads; the result does not depend on it.

    Returns
    -------
    OptimalFit
        Its level is the mean sky over the exposure.

    Raises
    ------
    ValueError
        If the shapes do not match, times do not increase, sky, times or amplitudes are not finite, or every interval is
        left out.

    Notes
    -----
    Source: Brandt 2024, PASP 136, 045004 and 045005, with the known sky added. Each difference has the noise of two
    reads and shares one with either neighbor.
    """
    settings = settings or OptimalSettings()
    frame, exposure = _prepare(rate, (times, sky, amplitudes, left_out), dq, (flat, dark, read_noise, template))
    output = _new_output(frame.flat.shape)
    first_rates(exposure, frame, 0, output.source.shape[0], _sky_weights(exposure, frame), output.source)
    noise = np.full(output.source.shape, _typical_noise(exposure, frame), np.float32)
    limits = Limits(settings.threshold**2, settings.neighbor_threshold**2, settings.strong**2)
    suspects, everything = np.zeros(output.hits.shape, np.uint32), np.ones(output.hits.shape, bool)

    signal = _signal(output.source, noise)
    _fit(exposure, frame, limits, settings, suspects, signal, everything, output, threads)
    better, suspects = _signal(output.source, output.err), _neighbor_hits(output.strong)
    again = _changed(signal, better, exposure, frame) | (suspects != 0)
    _fit(exposure, frame, limits, settings, suspects, better, again, output, threads)

    level = np.float32(np.sum(exposure.sky * exposure.lengths) / exposure.times[-1])
    sci = np.where(output.samp > 0, output.source + level, 0).astype(np.float32)
    return OptimalFit(sci, output.err, output.chi2, output.hits, output.samp, output.time)


def _prepare(
    rate: ArrayLike,
    intervals: tuple[ArrayLike, ArrayLike, ArrayLike, ArrayLike | None],
    dq: ArrayLike | None,
    planes: tuple[ArrayLike, ...],
) -> tuple[Frame, Exposure]:
    """Check the input and return it in the form that the kernels take."""
    cube = np.ascontiguousarray(rate, np.float32)
    if cube.ndim != 3 or 0 in cube.shape:
        raise ValueError(f"rate has the shape {cube.shape}; it must be (reads, ny, nx) with at least one pixel")
    n, shape = len(cube), cube.shape[1:]
    flags = np.zeros(cube.shape, np.int16) if dq is None else np.ascontiguousarray(dq, np.int16)
    if flags.shape != cube.shape:
        raise ValueError(f"dq has the shape {flags.shape}, but rate has {cube.shape}; they must be the same")
    t, b, a = (_per_read(*each) for each in zip(intervals[:3], (n,) * 3, ("times", "sky", ""), strict=True))
    left_out = np.zeros(n, bool) if intervals[3] is None else np.array(intervals[3], bool)
    if left_out.shape != (n,) or left_out.all():
        raise ValueError(f"left_out must have {n} values, one of them false; its shape is {left_out.shape}")
    lengths = np.diff(t, prepend=0.0)
    if not (lengths > 0).all():
        raise ValueError("times must increase from read to read and begin after the zeroth read")
    flat, dark, noise, template = (_plane(values, shape) for values in planes)
    return Frame(cube, flags, flat, dark, noise**2, template), Exposure(t, lengths, b, a, left_out)


def _per_read(values: ArrayLike, n: int, name: str) -> Float64Array:
    """Return one value per read; the amplitudes (empty name) may be a single number."""
    array = np.array(values, np.float64)
    if not name and array.ndim == 0:
        array = np.full(n, array)
    if array.shape != (n,):
        raise ValueError(f"{name or 'amplitudes'} has the shape {array.shape}; for {n} reads it must be ({n},)")
    if not np.isfinite(array).all():
        raise ValueError(f"{name or 'amplitudes'} has values that are not finite")
    return array


def _plane(values: ArrayLike, shape: tuple[int, ...]) -> Float32Array:
    """Return a plane, made from a number or an array; a copy: read-only, it would be compiled for anew."""
    return np.array(np.broadcast_to(np.asarray(values, np.float32), shape), order="C")


def _new_output(shape: tuple[int, ...]) -> Output:
    source, err, chi2, time = (np.zeros(shape, np.float32) for _ in range(4))
    hits, strong = np.zeros(shape, np.uint32), np.zeros(shape, np.uint32)
    return Output(source, err, chi2, hits, strong, np.zeros(shape, np.int16), time)


def _covariance(exposure: Exposure, frame: Frame) -> Float64Array:
    """Return the covariance of the intervals of a blank pixel [electron^2]."""
    n, variance, dark = len(exposure.times), float(np.median(frame.variance)), float(np.median(frame.dark))
    photons = np.maximum(exposure.sky + dark, 0.0) * exposure.lengths
    neighbors = np.diag(np.full(n - 1, -variance), 1)
    unused = np.where(exposure.left_out, _INFINITE, 0.0)
    return np.asarray(np.diag(photons + 2 * variance + unused) + neighbors + neighbors.T)


def _sky_weights(exposure: Exposure, frame: Frame) -> Float64Array:
    """Return the weights of the intervals of a blank pixel; their scalar product with the lengths is 1."""
    solved = np.linalg.solve(_covariance(exposure, frame), exposure.lengths)
    return np.asarray(solved / (solved @ exposure.lengths))


def _typical_noise(exposure: Exposure, frame: Frame) -> float:
    """Return the standard deviation of the rate of a blank pixel [electron/s]."""
    solved = np.linalg.solve(_covariance(exposure, frame), exposure.lengths)
    return float(1 / np.sqrt(solved @ exposure.lengths))


def _signal(source: Float32Array, err: Float32Array) -> Float32Array:
    """Return the rate for the photon noise of each pixel: its own if it is bright, else the 3 x 3 mean."""
    capped = np.clip(source, -_BRIGHT * err, _BRIGHT * err)
    return np.where(source > _BRIGHT * err, source, np.maximum(_mean_of_9(capped), 0)).astype(np.float32)


def _mean_of_9(image: Float32Array) -> Float32Array:
    """Return the mean of the 3 x 3 pixels around each pixel; those at the edge are repeated."""
    wide = np.pad(image, 1, mode="edge")
    rows = wide[:-2] + wide[1:-1] + wide[2:]
    return np.asarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / np.float32(9))


def _floor2(signal: Float32Array, settings: OptimalSettings) -> Float32Array:
    """Return the square of the largest change of rate that is not a hit, from nonlinearity and image drift."""
    wide = np.pad(signal, 1, mode="edge")
    dy, dx = (wide[2:, 1:-1] - wide[:-2, 1:-1]) / 2, (wide[1:-1, 2:] - wide[1:-1, :-2]) / 2
    slope2 = dy * dy + dx * dx
    return np.asarray((settings.signal_floor * signal) ** 2 + settings.drift**2 * slope2, np.float32)


def _fit(
    exposure: Exposure,
    frame: Frame,
    limits: Limits,
    settings: OptimalSettings,
    suspects: NDArray[np.uint32],
    signal: Float32Array,
    again: NDArray[np.bool_],
    output: Output,
    threads: int,
) -> None:
    """Fit the pixels in `again`, with the rows shared among threads."""
    floor2, ny, n = _floor2(signal, settings), signal.shape[0], exposure.times.size
    shares = max(threads, 1)
    edges = np.linspace(0, ny, shares + 1).astype(int)

    def share(k: int) -> None:
        space, rows = (new_block(n), new_intervals(n)), (int(edges[k]), int(edges[k + 1]))
        fit_rows(*space, exposure, frame, limits, floor2, suspects, signal, again, rows, output)

    for_each(share, shares, threads=threads, n_pixels=signal.size)


def _neighbor_hits(strong: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return for each pixel the strong hits in it and in the eight pixels around it."""
    if not strong.any():
        return np.zeros_like(strong)
    wide = np.pad(strong, 1)
    rows = wide[:-2] | wide[1:-1] | wide[2:]
    return np.asarray(rows[:, :-2] | rows[:, 1:-1] | rows[:, 2:])


def _changed(before: Float32Array, after: Float32Array, exposure: Exposure, frame: Frame) -> NDArray[np.bool_]:
    """Return the pixels whose variance changes noticeably with the new signal."""
    shortest = int(np.argmin(exposure.sky))
    least = exposure.sky[shortest] + frame.dark + 2 * frame.variance / exposure.lengths.max()
    return np.asarray(np.abs(after - before) > _CHANGED * (np.maximum(before, 0) + np.maximum(least, 0)))
