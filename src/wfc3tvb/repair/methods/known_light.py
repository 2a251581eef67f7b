"""Light of each interval that is known and subtracted before a fit: the catalog's sky, and scattered light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.scattered_light import ScatteredLight, fit_scattered_light
from wfc3tvb.fits.calibrated_reads import IntegrationReads
from wfc3tvb.fits.images import BAD
from wfc3tvb.repair.methods.base import sky_curve
from wfc3tvb.repair.model import Member

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class KnownLight:
    """Light of each interval that is subtracted before the fit.

    Attributes
    ----------
    sky : ndarray, shape (n,)
        Sky of the interval that ends at each read [electron/s].
    scattered : ScatteredLight or None
        Its pattern and amplitudes.
    left_out : ndarray of bool, shape (n,)
        Intervals with scattered light that no pattern describes.
    """

    sky: Float64Array
    scattered: ScatteredLight | None
    left_out: NDArray[np.bool_]

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of `fit_ramps_optimal`."""
        if self.scattered is None:
            return {"left_out": self.left_out}
        amplitudes = np.nan_to_num(self.scattered.amplitudes)
        return {"template": self.scattered.pattern, "amplitudes": amplitudes, "left_out": self.left_out}

    def of_pixels(self, pixels: NDArray[np.int64]) -> Float64Array:
        """Return the light of some pixels in each interval, shape (n, pixels) [electron/s]."""
        if self.scattered is None:
            return np.broadcast_to(self.sky[:, None], (self.sky.size, pixels.size))
        pattern = self.scattered.pattern.ravel()[pixels]
        return self.sky[:, None] + np.outer(np.nan_to_num(self.scattered.amplitudes), pattern)

    def mean_amplitude(self, times: Float64Array) -> float:
        """Return left minus right due to scattered light, mean over the reads at some times [electron/s]."""
        if self.scattered is None:
            return 0.0
        amplitudes, lengths = np.nan_to_num(self.scattered.amplitudes)[: len(times)], np.diff(times, prepend=0.0)
        return float(np.sum(amplitudes * lengths)) / float(times[-1])

    def mean_scattered(self, times: Float64Array) -> Float64Array | float:
        """Return the scattered light in the last of some reads, shape (ny, nx), relative to its mean [electron/s]."""
        if self.scattered is None:
            return 0.0
        return self.mean_amplitude(times) * self.scattered.pattern.astype(np.float64)

    def note(self, times: Float64Array) -> str | None:
        """Return a line for the header's HISTORY on scattered light, or None."""
        if self.scattered is not None:
            return f"wfc3tvb: scattered light subtracted; left minus right {self.mean_amplitude(times):.2f} electron/s"
        if self.left_out.any():
            reads = ", ".join(str(k + 1) for k in np.flatnonzero(self.left_out))
            return f"wfc3tvb: intervals left out, scattered light without a common pattern: {reads}"
        return None


def known_light(reads: IntegrationReads, member: Member) -> KnownLight:
    """Return the light of each interval: the catalog's sky, and scattered light from the reads themselves."""
    lengths = np.diff(reads.times, prepend=0.0)
    sky = np.diff(sky_curve(member, reads.times) * reads.times, prepend=0.0) / lengths
    lit, lost = (np.isin(np.arange(len(sky)) + 1, which) for which in (member.lit, member.lost))
    if not lit.any():
        return KnownLight(sky, None, lit)
    good = (reads.dq[0] & BAD) == 0
    found = fit_scattered_light(reads.rate, reads.times, ~lit, good=good, lost=lost)
    if found is None or not found.is_described:
        return KnownLight(sky, None, lit)
    return KnownLight(sky, found, np.zeros(len(sky), bool))
