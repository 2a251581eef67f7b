"""Comparison of products before and after a repair: sky, star fluxes, and the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy import ndimage

from wfc3tvb.fits.images import Picture, drop_and_scale, read_drz, read_flt
from wfc3tvb.models import Row
from wfc3tvb.repair.acceptance import FluxRatio, verdict
from wfc3tvb.repair.compare_sky import Skies, correlation, drizzled_skies
from wfc3tvb.repair.expected import true_level
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.star_photometry import find_stars, flux_ratio, offset

#: Systematic error of the sky's true mean rate, from reference pixels and the measured curve [electron/s].
LEVEL_ERR = 0.005
#: A pixel was hit by a cosmic ray if it exceeds that of the ramp fit by this many standard deviations and this fraction
#: of its light.
_HIT_SIGMA, _HIT_FRACTION = 5.0, 0.05
#: Largest offset of drizzled images with the same alignment [pixel].
_ALIGNED = 0.5

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class Proof:
    """Comparison of a product with the one before.

    Attributes
    ----------
    skies : Skies
        Statistics of their sky pixels.
    rejected : float or None
        Fraction of the new exposure's pixels that AstroDrizzle rejected.
    flux : FluxRatio or None
        Flux of the same stars.
    accepted : bool or None
        Whether the repair is accepted; None for an exposure that was only recalibrated.
    reason : str
        Reason of the verdict.
    depth_gain : float
        Gain in depth [mag].
    """

    skies: Skies
    rejected: float | None
    flux: FluxRatio | None
    accepted: bool | None
    reason: str
    depth_gain: float

    def columns(self) -> Row:
        """Return the columns of `reprocessed` with the comparison."""
        before, after, unstable, flux = self.skies.before, self.skies.after, self.skies.unstable, self.flux
        return {
            "sky_before": before.level, "sky_after": after.level,
            "noise_before": before.noise, "noise_after": after.noise,
            "frac_unstable_before": unstable[0], "frac_unstable_after": unstable[1],
            "n_peaks_before": before.n_peaks, "n_peaks_after": after.n_peaks,
            "gradient_before": before.gradient, "gradient_after": after.gradient,
            "flux_ratio": flux.ratio if flux else None, "flux_ratio_err": flux.error if flux else None,
            "depth_gain_mag": self.depth_gain, "accepted": self.accepted, "accept_reason": self.reason,
        }  # fmt: skip


def prove_exposure(member: Member, skies: Skies, before: Path, after: Path, stars: Float64Array | None) -> Proof:
    """Compare an exposure's FLT with the one before.

    Parameters
    ----------
    member : Member
        The exposure, with its method.
    skies : Skies
        Statistics of the sky pixels.
    before, after : Path
        The files.
    stars : ndarray, shape (n, 2), or None
        Right ascension and declination of the stars in the drizzled image [deg]; None means to find stars in `before`.
    """
    old, new = read_flt(before), read_flt(after)
    level, width = skies.before.level, max(skies.noise, skies.before.noise)
    places = _places(new.wcs, stars) if stars is not None else find_stars(old.image, old.good, width, level)
    usable = (old.good, new.good & ~new.rejected & ~_hit(old, new, skies))
    fault = 0.0 if member.sky_mean is None else level - member.sky_mean
    flux = flux_ratio(old.image, new.image, usable, (places, places), skies.noise, level_fault=fault, same_pixels=True)
    true_levels = member.sky_mean, true_level(member)
    judged = verdict(skies.before, skies.after, true_levels=true_levels, level_err=LEVEL_ERR, flux=flux)
    reason = judged.reason if member.repaired else "recalibrated with the same references, not repaired"
    accepted = judged.accepted if member.repaired else None
    return Proof(skies, float(new.rejected.mean()), flux, accepted, reason, judged.depth_gain)


def _hit(old: Picture, new: Picture, skies: Skies) -> NDArray[np.bool_]:
    """Return the pixels hit by cosmic rays, which are brighter than in the ramp fit.

    AstroDrizzle does not detect those on stars, and for a single exposure there is no other way to detect any.
    """
    excess = (new.image - skies.after.level) - (old.image - skies.before.level)
    limit = _HIT_SIGMA * float(np.hypot(skies.before.noise, skies.after.noise))
    return np.asarray(excess > limit + _HIT_FRACTION * np.maximum(old.image - skies.before.level, 0))


def prove_drizzled(
    before: Path, after: Path, noise: float | None, proof: Path, *, method: str, fault: float, flts: Sequence[Path]
) -> tuple[Proof, Float64Array]:
    """Compare drizzled images.

    Parameters
    ----------
    before, after : Path
        The files.
    noise : float or None
        Noise expected in the new image, corrected for correlation [electron/s].
    proof : Path
        File to write for figures.
    method : str
        Method of the repair.
    fault : float
        Mean error of the sky levels of the exposures in the old image [electron/s].
    flts : sequence of Path
        The new exposures. Stars with a saturated core in one of them are left out, because their peak is incomplete.

    Returns
    -------
    Proof
    ndarray, shape (n, 2)
        Right ascension and declination of the stars found in the new image, which has no cosmic rays [deg].
    """
    old, new = read_drz(before), read_drz(after)
    skies = drizzled_skies((before, after), (old, new), noise, proof, method=method)
    found = find_stars(new.image, new.good, skies.after.noise * correlation(new), skies.after.level)
    stars = np.column_stack(new.wcs.all_pix2world(*found.T, 0)) if len(found) else np.empty((0, 2))
    places = _places(old.wcs, stars)
    old_found = find_stars(old.image, old.good, skies.before.noise * correlation(old), skies.before.level)
    away = offset(old_found, places)
    whole = ~_saturating(stars, flts)
    at = places[whole] + away, found[whole]
    scales = drop_and_scale(old.header)[1], drop_and_scale(new.header)[1]
    usable = old.good, new.good
    flux = flux_ratio(old.image, new.image, usable, at, skies.after.noise, level_fault=fault, scales=scales)
    # The sky was subtracted from each exposure, so that its level has no meaning.
    judged = verdict(skies.before, skies.after, true_levels=(None, None), level_err=LEVEL_ERR, flux=flux)
    reason = judged.reason
    if np.hypot(*away) > _ALIGNED:
        reason += f"; the archive's image has another alignment, with an offset of {np.hypot(*away):.1f} pixels"
    return Proof(skies, None, flux, judged.accepted, reason, judged.depth_gain), stars


def _saturating(stars: Float64Array, flts: Sequence[Path]) -> NDArray[np.bool_]:
    """Return which stars have a saturated pixel near their centre in one of the exposures."""
    found = np.zeros(len(stars), bool)
    for path in flts:
        picture = read_flt(path)
        near = ndimage.binary_dilation(picture.saturated, iterations=2)
        x, y = np.round(_places(picture.wcs, stars)).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < near.shape[1]) & (y < near.shape[0])
        found[inside] |= near[y[inside], x[inside]]
    return found


def _places(wcs: WCS, world: Float64Array) -> Float64Array:
    """Return the pixel coordinates of sky positions."""
    if not len(world):
        return np.empty((0, 2))
    return np.column_stack(wcs.all_world2pix(*world.T, 0, quiet=True))
