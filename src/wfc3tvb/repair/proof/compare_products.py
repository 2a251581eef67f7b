"""Comparison of products before and after a repair: sky, star fluxes, and the verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wfc3tvb.fits.images import Picture, drop_and_scale, read_drz
from wfc3tvb.models import Row
from wfc3tvb.repair.acceptance import QUIETEST, Fluxes, FluxRatio, verdict
from wfc3tvb.repair.expected import true_level
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.proof import right_flux
from wfc3tvb.repair.proof.compare_sky import Skies, correlation, drizzled_skies
from wfc3tvb.repair.proof.last_reads import LastReads, without_cosmic_rays
from wfc3tvb.repair.proof.right_flux import places_of, world_of
from wfc3tvb.repair.proof.sorting import median_of
from wfc3tvb.repair.star_photometry import find_stars, flux_ratio, offset

#: Systematic error of the sky's true mean rate, from reference pixels and the measured curve [electron/s].
LEVEL_ERR = 0.005
#: A pixel was hit by a cosmic ray if it exceeds that of the ramp fit by this many standard deviations and this fraction
#: of its light.
_HIT_SIGMA, _HIT_FRACTION = 5.0, 0.05
#: Largest offset of drizzled images with the same alignment, and largest distance of two positions of a star [pixel].
_ALIGNED, _SAME_STAR = 0.5, 3.0
#: Fraction of the sky pixels with weight in the drizzled image before, below which the reason mentions it.
_MANY_WITHOUT_WEIGHT = 0.9

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
    fluxes : Fluxes
        All comparisons of their flux.
    accepted : bool or None
        Whether the repair is accepted; None for an exposure that was only recalibrated.
    reason : str
        Reason of the verdict.
    depth_gain : float or None
        Gain in depth [mag].
    faulty : bool
        Whether the product is wrong, not only no better than the one before.
    """

    skies: Skies
    rejected: float | None
    flux: FluxRatio | None
    fluxes: Fluxes
    accepted: bool | None
    reason: str
    depth_gain: float | None
    faulty: bool = False

    def columns(self) -> Row:
        """Return the columns of `reprocessed` with the comparison."""
        before, after, unstable, flux = self.skies.before, self.skies.after, self.skies.unstable, self.flux
        return {
            "sky_before": before and before.level, "sky_after": after.level,
            "noise_before": before and before.noise, "noise_after": after.noise,
            "frac_unstable_before": unstable[0], "frac_unstable_after": unstable[1],
            "n_peaks_before": before and before.n_peaks, "n_peaks_after": after.n_peaks,
            "gradient_before": before and before.gradient, "gradient_after": after.gradient,
            "flux_ratio": flux.ratio if flux else None, "flux_ratio_err": flux.error if flux else None,
            "depth_gain_mag": self.depth_gain, "accepted": self.accepted, "accept_reason": self.reason,
        }  # fmt: skip


def prove_exposure(
    member: Member,
    skies: Skies,
    pair: tuple[Picture, Picture],
    stars: Float64Array | None,
    right: Picture | None = None,
) -> Proof:
    """Compare an exposure's FLT with the one before.

    Parameters
    ----------
    member : Member
        The exposure, with its method.
    skies : Skies
        Statistics of the sky pixels.
    pair : pair of Picture
        The FLT before, and the new one, which was aligned.
    stars : ndarray, shape (n, 2), or None
        Right ascension and declination of the stars in the drizzled image [deg]; None means to find stars in the
        image before.
    right : Picture, optional
        The image of its last good reads, without cosmic rays (`right_image`).
    """
    old, new = pair
    sky = skies.before or skies.after
    width = max(skies.noise, sky.noise)
    places = places_of(new.wcs, stars) if stars is not None else find_stars(old.image, old.good, width, sky.level)
    usable = (old.good, new.good & ~new.rejected & ~_hit(old, new, skies))
    fault = level_fault(member, skies)
    flux = flux_ratio(old.image, new.image, usable, (places, places), skies.noise, level_fault=fault, same_pixels=True)
    fluxes = Fluxes(flux)
    if right is not None:
        saturated = right_flux.of_saturated(right, new, skies.noise)
        fluxes = Fluxes(flux, right_flux.of_reads(right, new, places, skies.noise), saturated)
    true_levels = member.sky_mean, true_level(member)
    judged = verdict(
        skies.before, skies.after, true_levels=true_levels, level_err=LEVEL_ERR, flux=fluxes, expected=skies.expected
    )
    reason = judged.reason if member.repaired else "recalibrated with the same references, not repaired"
    accepted = judged.accepted if member.repaired else None
    # An image that is not repaired is as good as its ramp fit, unless it holds no sky.
    faulty = judged.faulty if member.repaired else bool(skies.after.local_noise < QUIETEST * (skies.expected or 0.0))
    rejected = float(new.rejected.mean())
    return Proof(skies, rejected, fluxes.reported, fluxes, accepted, reason, judged.depth_gain, faulty)


def level_fault(member: Member, skies: Skies) -> float:
    """Return by how much the sky of a pixel is wrong in the image before [electron/s].

    This is the error of its level, and the scatter that its broken ramps add to the noise.
    """
    if skies.before is None:
        return 0.0
    level = 0.0 if member.sky_mean is None else skies.before.level - member.sky_mean
    excess = max(skies.before.noise**2 - skies.after.noise**2, 0.0)
    return float(np.hypot(level, np.sqrt(excess)))


def right_image(old: Picture, new: Picture, reads: LastReads | None, skies: Skies) -> Picture:
    """Return the image of an exposure with right star fluxes, above its sky and without cosmic rays.

    Parameters
    ----------
    old, new : Picture
        Its FLT before and after.
    reads : LastReads or None
        The image of its last good reads; None for an exposure that is not repaired, whose FLT is right.
    skies : Skies
        Statistics of its sky.
    """
    if reads is None:
        usable = new.good & ~new.rejected
        return Picture(new.image - median_of(new.image[usable]), usable, new.rejected, new.saturated & False,
                       None, new.header, new.wcs)  # fmt: skip
    noise = max(skies.noise, skies.before.noise if skies.before else 0.0)
    return without_cosmic_rays(reads, old, new, noise)


def _hit(old: Picture, new: Picture, skies: Skies) -> NDArray[np.bool_]:
    """Return the pixels hit by cosmic rays, which are brighter than in the ramp fit.

    AstroDrizzle does not detect those on stars, and for a single exposure there is no other way to detect any.
    """
    before, after = skies.before or skies.after, skies.after
    excess = (new.image - after.level) - (old.image - before.level)
    limit = _HIT_SIGMA * float(np.hypot(before.noise, after.noise))
    return np.asarray(excess > limit + _HIT_FRACTION * np.maximum(old.image - before.level, 0))


@dataclass(frozen=True)
class DrizzledInputs:
    """What is known of a drizzled image before it is compared.

    Attributes
    ----------
    noise : float or None
        Noise expected in the new image, corrected for correlation [electron/s].
    method : str
        Method of the repair.
    fault : float
        Mean error of the sky of a pixel of the exposures in the old image [electron/s].
    flts : sequence of Picture
        The new exposures. Stars with a saturated core in one of them are left out of the comparison with the old image,
        because their peak is incomplete.
    rights : mapping of str to Picture
        Images of the exposures with right star fluxes, by rootname.
    """

    noise: float | None
    method: str
    fault: float
    flts: Sequence[Picture]
    rights: Mapping[str, Picture]


def prove_drizzled(before: Path, after: Path, proof: Path, inputs: DrizzledInputs) -> tuple[Proof, Float64Array]:
    """Compare drizzled images.

    Parameters
    ----------
    before, after : Path
        The files.
    proof : Path
        File to write for figures.
    inputs : DrizzledInputs
        Its exposures, and what is expected.

    Returns
    -------
    Proof
    ndarray, shape (n, 2)
        Right ascension and declination of the stars found in the new image, which has no cosmic rays [deg].
    """
    old, new = read_drz(before), read_drz(after)
    skies = drizzled_skies((before, after), (old, new), inputs.noise, proof, method=inputs.method)
    found = find_stars(new.image, new.good, skies.after.noise * correlation(new), skies.after.level)
    stars = world_of(new.wcs, found)
    whole = ~_saturating(stars, inputs.flts)
    flux, away = _over_old(old, new, skies, (stars[whole], found[whole]), inputs.fault)
    rights, saturated = list(inputs.rights.values()), _saturated_stars(inputs.rights.values(), new)
    fluxes = Fluxes(
        flux,
        right_flux.of_drizzled(rights, (old, new), stars[whole], skies.after.noise, away=away),
        right_flux.of_drizzled(rights, (old, new), saturated, skies.after.noise, away=away, saturated=True),
    )
    expected = skies.expected if square_drops(new) else None
    # The sky was subtracted from each exposure, so that its level has no meaning.
    judged = verdict(
        skies.before, skies.after, true_levels=(None, None), level_err=LEVEL_ERR, flux=fluxes, expected=expected
    )
    reason = judged.reason
    if skies.before and skies.before.n_pixels < _MANY_WITHOUT_WEIGHT * skies.after.n_pixels:
        reason += f"; {1 - skies.before.n_pixels / skies.after.n_pixels:.0%} of its sky pixels had no weight before"
    if np.hypot(*away) > _ALIGNED:
        reason += f"; the archive's image has another alignment, with an offset of {np.hypot(*away):.1f} pixels"
    proved = Proof(skies, None, fluxes.reported, fluxes, judged.accepted, reason, judged.depth_gain, judged.faulty)
    return proved, stars


def _over_old(
    old: Picture, new: Picture, skies: Skies, stars: tuple[Float64Array, Float64Array], fault: float
) -> tuple[FluxRatio | None, Float64Array]:
    """Return the flux of stars over that in the old image, and the offset of the old image [pixel].

    Stars are given by their sky positions, and positions in the new image.
    """
    sky, places = skies.before or skies.after, places_of(old.wcs, stars[0])
    old_found = find_stars(old.image, old.good, sky.noise * correlation(old), sky.level)
    away = offset(old_found, places)
    scales = drop_and_scale(old.header)[1], drop_and_scale(new.header)[1]
    at = places + away, stars[1]
    noise = skies.after.noise
    flux = flux_ratio(old.image, new.image, (old.good, new.good), at, noise, level_fault=fault, scales=scales)
    return flux, away


def square_drops(picture: Picture) -> bool:
    """Return whether a drizzled image was made with the kernel to which the correction of its noise applies."""
    return str(picture.header.get("D001KERN", "square")).strip() == "square"


def _saturated_stars(rights: Iterable[Picture], new: Picture) -> Float64Array:
    """Return the sky positions of the stars that saturate in some exposure, each once."""
    found = [world_of(right.wcs, right_flux.saturated_stars(right)) for right in rights]
    stars = np.concatenate([*found, np.empty((0, 2))])
    places = places_of(new.wcs, stars)
    kept: list[int] = []
    for i, place in enumerate(places):
        if all(np.hypot(*(place - places[k])) > _SAME_STAR for k in kept):
            kept.append(i)
    return stars[kept]


def _saturating(stars: Float64Array, flts: Sequence[Picture]) -> NDArray[np.bool_]:
    """Return which stars have a saturated pixel near their centre in one of the exposures."""
    found = np.zeros(len(stars), bool)
    for picture in flts:
        near = ndimage.binary_dilation(picture.saturated, iterations=2)
        x, y = np.round(places_of(picture.wcs, stars)).astype(int).T
        inside = (x >= 0) & (y >= 0) & (x < near.shape[1]) & (y < near.shape[0])
        found[inside] |= near[y[inside], x[inside]]
    return found
