"""Position of the telescope from two-line elements, through the package sgp4, in the frame of the geometry (GCRS)."""

from __future__ import annotations

from pathlib import Path

import erfa
import numpy as np
from numpy.typing import NDArray
from sgp4.api import Satrec

Floats = NDArray[np.float64]
_JD_OF_MJD = 2400000.5


class Elements:
    """Two-line elements of one satellite.

    Parameters
    ----------
    path : Path
        File with two lines a set, in any order.
    """

    def __init__(self, path: Path) -> None:
        lines = path.read_text(encoding="ascii").splitlines()
        sets = [Satrec.twoline2rv(*pair) for pair in zip(lines[::2], lines[1::2], strict=True)]
        self._sets = sorted(sets, key=_epoch)
        #: Epochs of the sets [MJD, UTC], sorted.
        self.epochs = np.array([_epoch(each) for each in self._sets])

    def nearest(self, mjd: Floats) -> NDArray[np.int64]:
        """Return the index of the set nearest in time."""
        middles = (self.epochs[1:] + self.epochs[:-1]) / 2
        return np.searchsorted(middles, mjd)

    def age(self, mjd: Floats) -> Floats:
        """Return the time since the epoch of the nearest set [d]; negative before it."""
        return np.asarray(mjd - self.epochs[self.nearest(mjd)])

    def position(self, mjd: Floats, *, index: NDArray[np.int64] | None = None) -> Floats:
        """Return geocentric positions [km], shape (n, 3), by the nearest set, or by the sets of an index."""
        chosen, found = self.nearest(mjd) if index is None else index, np.empty((mjd.size, 3))
        order = np.argsort(chosen, kind="stable")
        for part in np.split(order, np.flatnonzero(np.diff(chosen[order])) + 1):
            errors, place, _ = self._sets[chosen[part[0]]].sgp4_array(np.full(part.size, _JD_OF_MJD), mjd[part])
            if errors.any():
                raise ValueError(f"sgp4 fails at MJD {mjd[part[0]]:.5f} (error {errors.max()})")
            found[part] = place
        return _to_gcrs(found, mjd)


def _to_gcrs(position: Floats, mjd: Floats) -> Floats:
    """Turn positions from the frame of two-line elements (true equator, mean equinox of date) to GCRS.

    Precession and nutation (IAU 2006/2000A) are those of the middle of the day: they change by 0.14 arcsec a day.
    """
    days, of_day = np.unique(np.floor(mjd), return_inverse=True)
    equinox = erfa.ee06a(_JD_OF_MJD, days + 0.5)
    to_true = erfa.rz(-equinox, np.broadcast_to(np.eye(3), (days.size, 3, 3)).copy())
    turn = np.swapaxes(erfa.pnm06a(_JD_OF_MJD, days + 0.5), 1, 2) @ to_true
    return np.asarray(np.einsum("nij,nj->ni", turn[of_day], position))


def _epoch(satellite: Satrec) -> float:
    return float(satellite.jdsatepoch - _JD_OF_MJD + satellite.jdsatepochF)
