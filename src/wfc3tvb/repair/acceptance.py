"""Acceptance of a repaired image, by the error of its sky pixels and the flux of its stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfc3tvb.repair.sky_statistics import SkyStatistics


@dataclass(frozen=True)
class Verdict:
    """Verdict on a repair: whether it is accepted, the reason, and the gain in depth [mag]."""

    accepted: bool
    reason: str
    depth_gain: float


@dataclass(frozen=True)
class StarFlux:
    """Star measured in both images.

    Attributes
    ----------
    x, y : float
        Position in the new image (0-based pixels).
    before, after : float
        Flux in the aperture, with the sky from the ring subtracted [electron/s].
    snr : float
        Signal to noise in the new image.
    pixels_left_out : float
        Pixels of the aperture that are left out of both images because of cosmic rays or defects.
    used : bool
        False for an outlier.
    """

    x: float
    y: float
    before: float
    after: float
    snr: float
    pixels_left_out: float
    used: bool


@dataclass(frozen=True)
class FluxRatio:
    """Flux of the same stars, after over before.

    Attributes
    ----------
    ratio, error : float
        Median ratio of all stars, and its error.
    n_stars : int
        Number of stars used.
    shift : float
        Median shift of the stars [pixel].
    min_snr, radius : float
        Required signal to noise of a star; radius of the aperture [pixel].
    stars : tuple of StarFlux
        Measurements of the stars.
    """

    ratio: float
    error: float
    n_stars: int
    shift: float
    min_snr: float = 0.0
    radius: float = 0.0
    stars: tuple[StarFlux, ...] = ()

    def description(self) -> str:
        """Return the ratio as a phrase for the reason of a verdict."""
        n_hit = sum(star.used and star.pixels_left_out > 0.5 for star in self.stars)
        hit = f", {n_hit} with bad or hit pixels left out" if n_hit else ""
        ratio = f"{self.ratio:.4f} +- {self.error:.4f} of before"
        return f"flux of {self.n_stars} stars (S/N > {self.min_snr:.0f}{hit}) {ratio}"


def verdict(
    before: SkyStatistics,
    after: SkyStatistics,
    *,
    true_levels: tuple[float | None, float | None],
    level_err: float,
    flux: FluxRatio | None,
) -> Verdict:
    """Judge a repair by the error of a sky pixel: its noise, and the difference of its level from the true mean rate.

    Both count because, where every pixel breaks at the same read, the noise is low and the level is wrong.

    Parameters
    ----------
    before, after : SkyStatistics
        Sky of the images before and after.
    true_levels : pair of float or None
        Mean rate of the sky, from the reads, over the time that each image covers [electron/s]; None (a drizzled image
        with subtracted sky) means that only the noise counts.
    level_err : float
        Systematic error of a level [electron/s].
    flux : FluxRatio or None
        Flux of stars, after over before; None where there are too few.
    """
    (error_before, err_before), (error_after, err_after) = (
        _pixel_error(sky, true, level_err) for sky, true in zip((before, after), true_levels, strict=True)
    )
    gain = 2.5 * float(np.log10(before.noise / after.noise))
    errors = (error_before - error_after) / float(np.hypot(err_before, err_after))
    numbers = f"{error_before:.4f} before, {error_after:.4f} after ({errors:+.0f} errors)"
    sky = f"noise and level error of a sky pixel {numbers}"
    if errors <= 3:
        return Verdict(False, f"not better: {sky}", gain)
    if flux is None:
        return Verdict(True, f"{sky}; too few stars to compare", gain)
    stars = flux.description()
    if abs(flux.ratio - 1) > 3 * flux.error:
        return Verdict(False, f"{stars}, not 1 within its error, although {sky}", gain)
    return Verdict(True, f"{sky}; {stars}", gain)


def _pixel_error(sky: SkyStatistics, true_level: float | None, level_err: float) -> tuple[float, float]:
    """Return sqrt(noise^2 + (level - true level)^2), and its error."""
    if true_level is None:
        return sky.noise, sky.noise_err
    difference = sky.level - true_level
    total = float(np.hypot(sky.noise, difference))
    difference_err = float(np.hypot(sky.level_err, level_err))
    return total, float(np.hypot(sky.noise * sky.noise_err, difference * difference_err)) / total
