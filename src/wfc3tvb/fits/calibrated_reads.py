"""Calibrated reads of an exposure, from an IMA file or as the engine hands them over, in the forms that fits need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.images import plane_of
from wfc3tvb.fits.opened import opened
from wfc3tvb.instrument import BORDER, ZEROTH_OFFSET


@dataclass(frozen=True)
class UnfittedRamp:
    """All reads of an IMA without a ramp fit: in time order, the zeroth first, reference pixels left out.

    Attributes
    ----------
    counts, error : ndarray, shape (n, ny, nx), float32
        Signal since the zeroth read, and its error [DN, after the flat].
    dq : ndarray, shape (n, ny, nx), int16
        Flags.
    times : ndarray, shape (n,), float64
        Time since the zeroth read [s].
    gain : float
        Mean gain [electron/DN].
    """

    counts: NDArray[np.float32]
    error: NDArray[np.float32]
    dq: NDArray[np.int16]
    times: NDArray[np.float64]
    gain: float


@dataclass(frozen=True)
class IntegrationReads:
    """Reads of an IMA without a ramp fit, as a fit of their differences needs them; reference pixels left out.

    Attributes
    ----------
    rate : ndarray, shape (n, ny, nx), float32
        Cumulative rate since the zeroth read of reads 1 to n, in time order [electron/s].
    dq : ndarray, shape (n, ny, nx), int16
        Their flags.
    times : ndarray, shape (n,), float64
        Their time since the zeroth read [s].
    zeroth_rate, zeroth_err : ndarray, shape (ny, nx), float32
        Signal in the zeroth read divided by the time since the reset, and its error [electron/s].
    zeroth_dq : ndarray, shape (ny, nx), int16
        Its flags.
    zeroth_time : float
        Time from the reset to the zeroth read [s].
    shape : (int, int)
        Height and width of the frame, reference pixels included.
    ltv : (int, int)
        LTV1, LTV2 of the frame, rounded.
    header : fits.Header
        Primary header.
    """

    rate: NDArray[np.float32]
    dq: NDArray[np.int16]
    times: NDArray[np.float64]
    zeroth_rate: NDArray[np.float32]
    zeroth_err: NDArray[np.float32]
    zeroth_dq: NDArray[np.int16]
    zeroth_time: float
    shape: tuple[int, int]
    ltv: tuple[int, int]
    header: fits.Header


@dataclass(frozen=True)
class CalibratedReads:
    """Calibrated reads in electron/s without a ramp fit, in time order, the zeroth first; not to be changed.

    Attributes
    ----------
    rate, error : ndarray, shape (n, ny, nx), float32
        Cumulative rate and its error, reference pixels left out [electron/s].
    dq : ndarray, shape (n, ny, nx), int16
        Flags.
    times : ndarray, shape (n,), float64
        SAMPTIME, 0 for the zeroth read [s].
    shape : (int, int)
        Height and width of the frame, reference pixels included.
    ltv : (int, int)
        LTV1, LTV2 of the frame, rounded.
    header : fits.Header
        Primary header of the IMA.
    """

    rate: NDArray[np.float32]
    error: NDArray[np.float32]
    dq: NDArray[np.int16]
    times: NDArray[np.float64]
    shape: tuple[int, int]
    ltv: tuple[int, int]
    header: fits.Header

    @property
    def gain(self) -> float:
        """Mean gain [electron/DN]."""
        return float(np.mean([self.header[f"ATODGN{amplifier}"] for amplifier in "ABCD"]))

    def ramp(self) -> UnfittedRamp:
        """Return the reads as ramps of counts, in arrays that may be changed."""
        factors = (self.times / self.gain).astype(np.float32)[:, None, None]
        return UnfittedRamp(self.rate * factors, self.error * factors, self.dq.copy(), self.times.copy(), self.gain)

    def integration(self) -> IntegrationReads:
        """Return the reads after the zeroth, and the zeroth; the arrays are those of this object."""
        return IntegrationReads(
            rate=self.rate[1:],
            dq=self.dq[1:],
            times=self.times[1:],
            zeroth_rate=self.rate[0],
            zeroth_err=self.error[0],
            zeroth_dq=self.dq[0],
            zeroth_time=float(self.times[1]) - ZEROTH_OFFSET,
            shape=self.shape,
            ltv=self.ltv,
            header=self.header,
        )


def read_calibrated(path: Path) -> CalibratedReads:
    """Read an IMA in electron/s without a ramp fit (CRCORR=OMIT).

    Raises
    ------
    NotFitsError
        If it is not an IMA, or cut short.
    BadFileError
        See `check_unfitted`.
    """
    with opened(path, "the WFC3 file expected, or its data end too early") as hdus:
        header, first = hdus[0].header, hdus["SCI", 1]
        versions = range(int(header["NSAMP"]), 0, -1)
        check_unfitted(path, header, [str(hdus["SCI", v].header.get("BUNIT")) for v in versions])
        times = np.array([hdus["SCI", v].header["SAMPTIME"] for v in versions], np.float64)
        times[0] = 0.0
        return CalibratedReads(
            rate=_stack(hdus, "SCI", versions, np.float32),
            error=_stack(hdus, "ERR", versions, np.float32),
            dq=_stack(hdus, "DQ", versions, np.int16),
            times=times,
            shape=(int(first.data.shape[0]), int(first.data.shape[1])),
            ltv=(round(first.header.get("LTV1", BORDER)), round(first.header.get("LTV2", BORDER))),
            header=header,
        )


def check_unfitted(path: Path, header: fits.Header, units: Sequence[str]) -> None:
    """Check primary header and units of the reads of an IMA: the flags of a fit would spoil a new one.

    Raises
    ------
    BadFileError
        If it has been fitted, or is not in electron/s.
    """
    if header.get("CRCORR") == "COMPLETE" or any("ELECTRONS/S" not in unit for unit in units):
        raise BadFileError(path, "has a ramp fit already, or is not in electron/s", "calibrate with CRCORR=OMIT")


def _stack(hdus: fits.HDUList, name: str, versions: range, kind: type[Any]) -> NDArray[Any]:
    """Return a plane of every read, reference pixels left out."""
    shape = hdus["SCI", 1].data.shape
    inner = slice(BORDER, -BORDER)
    return np.stack([plane_of(hdus[name, v], shape)[inner, inner].astype(kind) for v in versions])
