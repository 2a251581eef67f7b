"""Acceptance of a repaired image, by the error of its sky pixels and the flux of its stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wfc3tvb.display import counted
from wfc3tvb.repair.sky_statistics import SkyStatistics

#: Noise over that of photons and reads below which no sky can be: the noise of the reads differs from detector
#: quadrant to quadrant by a few percent, and the correction for correlated noise is good to 3 %.
QUIETEST = 0.85
#: Noise over that of photons and reads above which it is not the noise of the sky. In crowded fields, light of sources
#: too faint to be masked raises it up to 2.5 times.
NOISIEST = 3.0
#: Standard deviations by which an image must be better, and by which a flux may differ.
_SIGMA = 3.0


@dataclass(frozen=True)
class Verdict:
    """Verdict on a repair.

    Attributes
    ----------
    accepted : bool
        Whether the repair is accepted.
    reason : str
        Reason.
    depth_gain : float or None
        Gain in depth [mag]; None if the noise before could not be measured.
    faulty : bool
        Whether the image is wrong: it cannot be that of its sky, or its fluxes differ. One that is only not better does
        no harm to a drizzled image, whose own noise shows whether it is.
    """

    accepted: bool
    reason: str
    depth_gain: float | None
    faulty: bool = False


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
    """Flux of the same stars, after over before or over that of the single reads.

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

    def description(self, what: str = "before") -> str:
        """Return the ratio as a phrase for the reason of a verdict."""
        n_hit = sum(star.used and star.pixels_left_out > 0.5 for star in self.stars)
        hit = f", {n_hit} with bad or hit pixels left out" if n_hit else ""
        ratio = f"{self.ratio:.4f} +- {self.error:.4f} of {what}"
        return f"flux of {counted(self.n_stars, 'star')} (S/N > {self.min_snr:.0f}{hit}) {ratio}"

    @property
    def differs(self) -> bool:
        """Whether the ratio is not 1 within its error."""
        return abs(self.ratio - 1) > _SIGMA * self.error


@dataclass(frozen=True)
class Fluxes:
    """Flux of stars in a repaired image, compared in several ways; None where there are too few stars.

    Attributes
    ----------
    before : FluxRatio or None
        Over the flux in the image before, whose error includes that of its broken sky.
    reads : FluxRatio or None
        Over the flux that the last good read of every pixel gives, which is right whatever the ramp fit did.
    saturated : FluxRatio or None
        Of stars with pixels that saturate during the exposure, over what is right.
    """

    before: FluxRatio | None = None
    reads: FluxRatio | None = None
    saturated: FluxRatio | None = None

    @property
    def wrong(self) -> str:
        """Reason why the fluxes are wrong; empty if they are right."""
        if self.saturated is not None and self.saturated.differs:
            ratio = f"{self.saturated.ratio:.3f} +- {self.saturated.error:.3f}"
            return f"flux of {_stars(self.saturated.n_stars)} saturating, {ratio} of what is right"
        decisive, what = (self.reads, "the reads") if self.reads is not None else (self.before, "before")
        if decisive is not None and decisive.differs:
            return f"{decisive.description(what)}, not 1 within its error"
        return ""

    @property
    def reported(self) -> FluxRatio | None:
        """The ratio for the row: that of saturated stars if it differs from 1, else that of all stars."""
        return self.saturated if self.saturated is not None and self.saturated.differs else self.before

    def description(self) -> str:
        """Return right fluxes as a phrase for the reason of a verdict."""
        parts = [] if self.before is None else [self.before.description()]
        if self.reads is not None and (self.before is None or self.before.differs):
            parts.append(self.reads.description("the reads") + (", so that it was wrong before" if self.before else ""))
        parts = parts or ["too few stars to compare"]
        if self.saturated is not None:
            parts.append(f"{_stars(self.saturated.n_stars)} saturating, {self.saturated.ratio:.3f} of right")
        return ", ".join(parts)


def _stars(n: int) -> str:
    return f"{n} star{'s' * (n != 1)}"


def verdict(
    before: SkyStatistics | None,
    after: SkyStatistics,
    *,
    true_levels: tuple[float | None, float | None],
    level_err: float,
    flux: FluxRatio | Fluxes | None,
    expected: float | None = None,
) -> Verdict:
    """Judge a repair by the error of a sky pixel: its noise, and the difference of its level from the true mean rate.

    Both count because, where every pixel breaks at the same read, the noise is low and the level is wrong. An image
    that is quieter than its photons and reads allow, or very much noisier, is never accepted: what was measured is not
    its sky.

    Parameters
    ----------
    before : SkyStatistics or None
        Sky of the image before; None if it has too few pixels that can be used.
    after : SkyStatistics
        Sky of the image after.
    true_levels : pair of float or None
        Mean rate of the sky, from the reads, over the time that each image covers [electron/s]; None (a drizzled image
        with subtracted sky) means that only the noise counts.
    level_err : float
        Systematic error of a level [electron/s].
    flux : FluxRatio, Fluxes or None
        Flux of stars, after over before and in other ways; None where there are too few.
    expected : float or None
        Noise from photons and reads alone [electron/s]; None if it is not known.
    """
    fluxes = flux if isinstance(flux, Fluxes) else Fluxes(flux)
    gain = 2.5 * float(np.log10(before.noise / after.noise)) if before and after.noise else None
    if impossible := _impossible(after.local_noise, expected):
        return Verdict(False, impossible, gain, faulty=True)
    error_after, err_after = _pixel_error(after, true_levels[1], level_err)
    if before is None:
        sky = (
            f"noise and level error of a sky pixel {error_after:.4f} after; before, hardly any sky pixel could be used"
        )
    else:
        error_before, err_before = _pixel_error(before, true_levels[0], level_err)
        errors = (error_before - error_after) / float(np.hypot(err_before, err_after))
        change = f"{abs(errors):.0f} sigma {'better' if errors > 0 else 'worse'}"
        numbers = f"{error_before:.4f} before, {error_after:.4f} after ({change})"
        sky = f"noise and level error of a sky pixel {numbers}"
        if errors <= _SIGMA:
            return Verdict(False, f"not better: {sky}", gain)
    if wrong := fluxes.wrong:
        return Verdict(False, f"{wrong}, although {sky}", gain, faulty=True)
    return Verdict(True, f"{sky}; {fluxes.description()}", gain)


def _impossible(noise: float, expected: float | None) -> str:
    """Return why a noise without gradients cannot be that of the sky, from photons and reads; empty if it can."""
    if not expected:
        return ""
    numbers = f"noise {noise:.4f}, {noise / expected:.2f} times that of photons and reads alone"
    if noise < QUIETEST * expected:
        return f"quieter than physics allows: {numbers}; exposures without light, or combined twice"
    return f"too noisy: {numbers}" if noise > NOISIEST * expected else ""


def _pixel_error(sky: SkyStatistics, true_level: float | None, level_err: float) -> tuple[float, float]:
    """Return sqrt(noise^2 + (level - true level)^2), and its error."""
    if true_level is None:
        return sky.noise, sky.noise_err
    difference = sky.level - true_level
    total = float(np.hypot(sky.noise, difference))
    difference_err = float(np.hypot(sky.level_err, level_err))
    return total, float(np.hypot(sky.noise * sky.noise_err, difference * difference_err)) / total
