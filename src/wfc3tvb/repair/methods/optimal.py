"""Likelihood fit of a ramp with the measured sky of every read subtracted, which has the lowest possible noise.

Weights follow from the photons of each interval and the read noise; hits are removed from the ramp, and saturated reads
left out (`calibration.likelihood`). Scattered light is subtracted by its pattern (`known_light`). The level is that of
the last read minus the zeroth, which does not depend on errors of the curve. The chi^2 of every pixel, which shows
where the model fails, is stored in a separate extension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.likelihood.fit import READ_NOISE, fit_ramps_optimal
from wfc3tvb.calibration.likelihood.model import MOST_HITS, OptimalFit
from wfc3tvb.fits.calibrated_reads import IntegrationReads
from wfc3tvb.instrument import DQ
from wfc3tvb.references import images, tables
from wfc3tvb.repair.fit_quality import ALLOWED_CARD, LEFT_CARD, sky_left
from wfc3tvb.repair.methods.base import EngineFiles, Image, RepairMethod
from wfc3tvb.repair.methods.known_light import KnownLight, known_light
from wfc3tvb.repair.model import Member
from wfc3tvb.schema.methods import METHODS

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]
FlagArray = NDArray[np.int16]
#: Flags of single reads, which do not apply to the image; calwf3's fit clears them, too.
_OF_READS = int(DQ.SATPIXEL | DQ.ZEROSIG | DQ.DATAREJECT)
#: Distance from the sky level within which a pixel is blank [standard deviations].
_BLANK = 3.0
#: Blank pixels needed for a level, and the number of them from which the sky that the curve leaves is measured.
_FEW, _SAMPLE = 100, 100_000
_LEFT_COMMENT, _ALLOWED_COMMENT = "sky left between two reads [electron]", "most that is allowed there [electron]"
_FLATS = ("PFLTFILE", "DFLTFILE", "LFLTFILE")


@dataclass(frozen=True)
class Detector:
    """Detector properties from the reference files, without reference pixels; arrays of shape (ny, nx), float32.

    Attributes
    ----------
    flat : ndarray
        Flat field.
    dark : ndarray
        Dark rate [electron/s].
    read_noise : ndarray
        Noise of a single read [electron].
    """

    flat: Float32Array
    dark: Float32Array
    read_noise: Float32Array


def read_detector(made: EngineFiles, reads: IntegrationReads) -> Detector:
    """Read flat, dark and read noise of an exposure from its reference files.

    Parameters
    ----------
    made : EngineFiles
        Products of the engine, with the reference files.
    reads : IntegrationReads
        Reads of the exposure.

    Raises
    ------
    ReferenceFileError
        If a file is missing or does not match the exposure.
    """
    names, folder, header = made.references.names, made.references.folder, reads.header
    flats = [(key, folder / names[key]) for key in _FLATS if key in names]
    amplifiers, _ = tables.amplifiers(folder / names["CCDTAB"], float(header["CCDGAIN"]))
    light = tables.overscan(folder / names["OSCNTAB"], reads.shape).window(reads.shape)
    rows, columns = slice(light.y0, light.y1), slice(light.x0, light.x1)
    sequence = str(header["SAMP_SEQ"]), str(header["SUBTYPE"])
    times = [0.0, *(float(t) for t in reads.times)]
    dark = images.read_dark(folder / names["DARKFILE"], *sequence, times, shape=reads.shape)
    span = np.float32(times[-1] - times[1]) if len(times) > 2 else np.float32(times[-1])
    grown = dark.sci[len(times) - 1] - (dark.sci[1] if len(times) > 2 else 0)
    noise = np.empty(reads.shape, np.float32)
    y, x = amplifiers.ampy + reads.ltv[1], amplifiers.ampx + reads.ltv[0]
    a, b, c, d = amplifiers.readnoise
    noise[:y, :x], noise[:y, x:], noise[y:, :x], noise[y:, x:] = b, c, a, d
    flat = images.read_flat(flats, reads.shape, images.corner_of(reads.ltv)).sci if flats else np.ones_like(noise)
    flat = flat.astype(np.float32)  # in the byte order of this machine
    return Detector(
        flat[rows, columns],
        np.maximum(grown[rows, columns] * amplifiers.mean_gain / span, 0),
        # The table has the noise of a difference of two reads.
        noise[rows, columns] / np.float32(np.sqrt(2)),
    )


def flags_of(reads: IntegrationReads, fit: OptimalFit) -> FlagArray:
    """Return the DQ of the image as calwf3 defines it: the flags of all reads, and 32 where unstable.

    Parameters
    ----------
    reads : IntegrationReads
        Reads of the exposure.
    fit : OptimalFit
        Fit of the ramps; a pixel with four hits is unstable.
    """
    flags = np.bitwise_or.reduce(reads.dq, axis=0) | reads.zeroth_dq
    flags &= ~np.int16(_OF_READS)
    hits = np.bitwise_count(fit.hits)
    return np.asarray(np.where(hits >= MOST_HITS, flags | np.int16(DQ.UNSTABLE), flags), np.int16)


def blank_pixels(fit: OptimalFit, flags: FlagArray) -> NDArray[np.bool_]:
    """Return the pixels of blank sky: near its level, without flags or hits."""
    level = float(np.median(fit.sci[fit.samp > 0])) if (fit.samp > 0).any() else 0.0
    usable = (flags == 0) & (fit.hits == 0) & (fit.samp > 1)
    return np.asarray(usable & (np.abs(fit.sci - level) < _BLANK * fit.err))


def anchor(fit: OptimalFit, last: Float32Array, blank: NDArray[np.bool_]) -> float:
    """Return the excess of the fit's level in blank pixels over that of last read minus zeroth [electron/s].

    Parameters
    ----------
    fit : OptimalFit
        Fit of the ramps.
    last : ndarray, shape (ny, nx), float32
        Rate of the last read; of the last good one, with the sky of the whole exposure.
    blank : ndarray of bool, shape (ny, nx)
        Pixels of blank sky.
    """
    return float(np.median((fit.sci - last)[blank])) if blank.sum() > _FEW else 0.0


def _sky_left(
    fit: OptimalFit, reads: IntegrationReads, light: KnownLight, blank: NDArray[np.bool_], lost: Sequence[int]
) -> tuple[float, float]:
    """Return what the curve leaves of the sky between two good reads, see `fit_quality.sky_left` [electron]."""
    good = np.array([k for k in range(len(light.sky)) if k + 1 not in lost])
    pixels = np.flatnonzero(blank)[:: max(int(blank.sum()) // _SAMPLE, 1)]
    each = np.diff(reads.times, prepend=0.0)
    total = np.cumsum(light.of_pixels(pixels) * each[:, None], axis=0)
    source = fit.sci.ravel()[pixels] - float(np.sum(light.sky * each)) / reads.times[-1]
    collected = np.array([reads.rate[k].ravel()[pixels] * reads.times[k] - total[k] for k in good])
    lengths = np.diff(reads.times[good], prepend=0.0)
    electrons = np.diff(collected, axis=0, prepend=0.0) - np.outer(lengths, source)
    noise = float(np.sqrt(2 * READ_NOISE**2 + max(float((light.sky * each).max()), 0.0)))
    used = ~light.left_out[good]
    return sky_left(electrons[used].astype(np.float32), lengths[used], noise)


def _image(made: EngineFiles, member: Member) -> Image:
    """Fit the ramps and return the planes of the FLT."""
    reads = made.reads
    light, detector = known_light(reads, member), read_detector(made, reads)
    fit = fit_ramps_optimal(
        reads.rate, reads.times, light.sky, dq=_with_lost_reads(reads.dq, member.lost), **light.arguments(),
        flat=detector.flat, dark=detector.dark, read_noise=detector.read_noise,
    )  # fmt: skip
    flags = flags_of(reads, fit)
    blank = blank_pixels(fit, flags)
    left, allowed = _sky_left(fit, reads, light, blank, member.lost)
    sci = fit.sci - np.float32(anchor(fit, _last_rate(reads, member, light), blank))
    planes = {"SCI": sci, "ERR": fit.err, "DQ": flags, "SAMP": fit.samp, "TIME": fit.time, "CHI2": fit.chi2}
    _take_zeroth(planes, reads, fit)
    cards = {LEFT_CARD: (round(left, 3), _LEFT_COMMENT), ALLOWED_CARD: (round(allowed, 3), _ALLOWED_COMMENT)}
    return Image(planes, {"CRCORR": "COMPLETE", **cards}, _notes(fit, light.note(reads.times)), fit.hits)


def _last_rate(reads: IntegrationReads, member: Member, light: KnownLight) -> Float32Array:
    """Return the rate of the last good read, with the sky of the whole exposure and without scattered light."""
    last = max(k for k in range(len(member.cumulative)) if k + 1 not in member.lost)
    missing = np.float32(member.cumulative[-1] - member.cumulative[last])
    return np.asarray(reads.rate[last] + missing - light.mean_scattered(reads.times[: last + 1]), np.float32)


def _notes(fit: OptimalFit, scattered: str | None) -> tuple[str, ...]:
    """Return the lines for the header's HISTORY."""
    n_hit, n_used = np.count_nonzero(fit.hits), np.count_nonzero(fit.samp)
    note = f"wfc3tvb: hits removed from the ramps of {n_hit} pixels; {fit.samp.size - n_used} without a usable interval"
    return (note,) if scattered is None else (note, scattered)


def _with_lost_reads(dq: FlagArray, lost: Sequence[int]) -> FlagArray:
    """Return the flags of the reads, with reads 1..n that are lost flagged in every pixel."""
    if not lost:
        return dq
    flags = dq.copy()
    flags[np.array(lost) - 1] |= np.int16(DQ.DATALOST)
    return flags


def _take_zeroth(planes: Mapping[str, NDArray[Any]], reads: IntegrationReads, fit: OptimalFit) -> None:
    """Set pixels that saturate before the first read to the rate of the zeroth, with SAMP and TIME, like calwf3."""
    first = (fit.samp == 0) & ((reads.dq[0] & int(DQ.SATPIXEL)) != 0)
    if not first.any():
        return
    planes["SCI"][first], planes["ERR"][first] = reads.zeroth_rate[first], reads.zeroth_err[first]
    planes["DQ"][first] = reads.zeroth_dq[first] & ~np.int16(DQ.ZEROSIG)
    planes["SAMP"][first], planes["TIME"][first] = 1, np.float32(reads.zeroth_time)


METHOD = RepairMethod(METHODS["optimal"], make_image=_image)
