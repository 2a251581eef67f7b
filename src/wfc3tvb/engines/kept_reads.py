"""Calibrated reads of an exposure kept in memory, band by band, in place of an IMA file that would be read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3tvb.calibration.model import Calibrated, Imset, Ramp
from wfc3tvb.fits.calibrated_reads import CalibratedReads, check_unfitted
from wfc3tvb.instrument import BORDER


class KeptReads:
    """Calibrated reads, reference pixels left out.

    Parameters
    ----------
    ramp : Ramp
        The exposure, for the number and the size of its reads.
    """

    def __init__(self, ramp: Ramp) -> None:
        ny, nx = (size - 2 * BORDER for size in ramp.shape)
        self._planes = Imset(*(np.empty((ramp.n, ny, nx), kind) for kind in (np.float32, np.float32, np.int16)))

    def store(self, y0: int, reads: Imset) -> None:
        """Keep a band of all reads, from row `y0` on; bands come in any order, and from several threads."""
        first, last = y0 - BORDER, y0 - BORDER + reads.sci.shape[1]
        for number in range(len(reads)):
            rows = self._planes[number][:, max(first, 0) : max(last, 0)]
            rows[...] = reads[number][:, max(-first, 0) :, BORDER:-BORDER][:, : rows.shape[1]]

    def result(self, path: Path, primary: bytes, calibrated: Calibrated) -> CalibratedReads:
        """Return the reads after the last band, as `read_calibrated` reads them from an IMA.

        Parameters
        ----------
        path : Path
            Name that the IMA would have, for messages.
        primary : bytes
            Its primary header.
        calibrated : Calibrated
            The result of the calibration.
        """
        header = fits.Header.fromstring(primary)
        check_unfitted(path, header, [calibrated.ramp.unit])
        times = np.array(calibrated.ramp.samptime, np.float64)
        times[0] = 0.0
        return CalibratedReads(*self._planes, times, calibrated.ramp.shape, calibrated.ramp.ltv, header)
