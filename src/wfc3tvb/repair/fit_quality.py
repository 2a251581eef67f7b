"""Quality of a likelihood fit, from its chi^2 and from what it leaves of the sky between reads."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.fits.images import BAD
from wfc3tvb.models import Row
from wfc3tvb.repair import sky_statistics

Bools = NDArray[np.bool_]

#: Chi^2 per degree of freedom of the blank sky within which a repair is accepted. The band is that of the read noise: a
#: table that is wrong by 5 % changes chi^2 by up to 0.1.
ACCEPTED_CHI2 = (0.9, 1.1)
#: Sky that the catalog's curve may leave in an interval, as a rate [electron/s] and as electrons of a whole read.
_LEFT_RATE, _LEFT_ELECTRONS = 0.05, 1.0
#: Sky that is left between two reads, and the most that is allowed there [electron]: cards of the primary header.
LEFT_CARD, ALLOWED_CARD = "TVBLEFT", "TVBLIM"
#: Pixels needed for a median; noises above the sky of a star's pixel.
_FEW, _STAR = 30, 10.0


@dataclass(frozen=True)
class FitQuality:
    """Quality of a fit; None where there are too few pixels.

    Attributes
    ----------
    chi2_sky, chi2_stars : float or None
        Median over blank sky, and over pixels of stars, of chi^2 per degree of freedom, divided by the median that
        Gaussian noise gives: 1 where the model holds.
    left, allowed : float
        Median residual of the blank sky in the interval between reads where the curve fits worst, and what is allowed
        there [electron].
    """

    chi2_sky: float | None
    chi2_stars: float | None
    left: float
    allowed: float

    def columns(self) -> Row:
        """Return the columns of `reprocessed`."""
        return {"chi2_sky": self.chi2_sky, "chi2_stars": self.chi2_stars, "sky_left": self.left}

    def fault(self) -> str | None:
        """Return why the fit is not to be trusted, or None."""
        low, high = ACCEPTED_CHI2
        if abs(self.left) > self.allowed:
            return (
                f"the catalog's curve does not fit the reads: it leaves {self.left:+.1f} electrons of sky in one of "
                "them; survey the exposure again"
            )
        if self.chi2_sky is not None and not low <= self.chi2_sky <= high:
            return f"chi^2 of the blank sky is {self.chi2_sky:.2f}, not between {low} and {high}"
        return None


def fit_quality(flt: Path, covered: Bools | None = None) -> FitQuality | None:
    """Return the quality of a likelihood fit; None for an image of another method.

    Parameters
    ----------
    flt : Path
        FLT with an extension CHI2.
    covered : ndarray of bool, shape (ny, nx), optional
        Its pixels that sources cover, if they are known.
    """
    with fits.open(flt) as hdus:
        if ("CHI2", 1) not in hdus:
            return None
        image, err, chi2, samp = (np.asarray(hdus[name, 1].data) for name in ("SCI", "ERR", "CHI2", "SAMP"))
        good = (np.asarray(hdus["DQ", 1].data) & BAD == 0) & np.isfinite(image)
        header = hdus[0].header
        left, allowed = float(header[LEFT_CARD]), float(header[ALLOWED_CARD])
    whole = good & (samp == samp.max())
    freedom = int(samp.max()) - 2
    sky = whole & ~(sky_statistics.source_mask(image, good) if covered is None else covered)
    level = float(np.median(image[sky])) if sky.any() else 0.0
    stars = whole & (image - level > _STAR * err)
    return FitQuality(_relative(chi2[sky], freedom), _relative(chi2[stars], freedom), left, allowed)


def _relative(chi2: NDArray[np.float32], freedom: int) -> float | None:
    """Return the median of chi^2 per degree of freedom over that of its distribution (Wilson and Hilferty 1931)."""
    if chi2.size < _FEW or freedom < 1:
        return None
    return float(np.median(chi2)) / (1 - 2 / (9 * freedom)) ** 3


def sky_left(electrons: NDArray[np.float32], lengths: NDArray[np.float64], noise: float) -> tuple[float, float]:
    """Return the sky that a curve leaves in the interval where it fits worst, and what is allowed there.

    Parameters
    ----------
    electrons : ndarray, shape (n, pixels)
        Electrons of blank pixels in each interval, without the curve and the fitted rate.
    lengths : ndarray, shape (n,)
        Length of the intervals [s].
    noise : float
        Noise of a pixel in an interval [electron].

    Returns
    -------
    left, allowed : float
        Median residual of that interval, and the limit [electron].
    """
    if electrons.shape[1] < _FEW:
        return 0.0, 0.0
    median = np.median(electrons, axis=1)
    statistical = 5 * np.sqrt(np.pi / 2) * noise / np.sqrt(electrons.shape[1])
    allowed = _LEFT_RATE * lengths + _LEFT_ELECTRONS + statistical
    worst = int(np.argmax(np.abs(median) / allowed))
    return float(median[worst]), float(allowed[worst])
