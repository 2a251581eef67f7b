"""The proof of a repair: before and after, a row of `reprocessed` per product, and small files for figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from wfc3tvb.errors import BadFileError
from wfc3tvb.exposure import Row
from wfc3tvb.io.images import Picture, drop_and_scale, read_drz, read_flt
from wfc3tvb.pipeline.repair_model import Member
from wfc3tvb.schema import TABLES
from wfc3tvb.science import compare, expected
from wfc3tvb.science.compare import FluxRatio, SkyStatistics
from wfc3tvb.science.photometry import find_stars, flux_ratio

#: Systematic error of the sky's true mean rate: reference pixels, and the curve's own [electron/s].
LEVEL_ERR = 0.005
#: Width of the piece shown closer [pixel].
ZOOM = 200


@dataclass(frozen=True)
class Proof:
    """Two products compared.

    Attributes
    ----------
    before, after : SkyStatistics
        Of their sky; of drizzled images with the noise corrected for correlation.
    unstable : pair of float or None
        Fraction of unstable pixels, before and after.
    rejected : float or None
        Fraction of the new exposure's pixels that AstroDrizzle rejected.
    flux : FluxRatio or None
        Of the same stars.
    accepted : bool or None
        None for an exposure that was recalibrated, not repaired.
    reason : str
        Why.
    depth_gain : float
        [mag].
    """

    before: SkyStatistics
    after: SkyStatistics
    unstable: tuple[float | None, float | None]
    rejected: float | None
    flux: FluxRatio | None
    accepted: bool | None
    reason: str
    depth_gain: float

    def columns(self) -> Row:
        """Return the columns of `reprocessed` that the proof fills."""
        before, after, flux = self.before, self.after, self.flux
        return {
            "sky_before": before.level, "sky_after": after.level,
            "noise_before": before.noise, "noise_after": after.noise,
            "frac_unstable_before": self.unstable[0], "frac_unstable_after": self.unstable[1],
            "n_peaks_before": before.n_peaks, "n_peaks_after": after.n_peaks,
            "gradient_before": before.gradient, "gradient_after": after.gradient,
            "flux_ratio": flux.ratio if flux else None, "flux_ratio_err": flux.error if flux else None,
            "depth_gain_mag": self.depth_gain, "accepted": self.accepted, "accept_reason": self.reason,
        }  # fmt: skip


def expected_noise(member: Member, *, method: str | None = None) -> float | None:
    """Return the noise that photons and reads leave in an exposure's sky [electron/s]; None where not measured."""
    method = method or member.method
    if not member.times or member.sky_mean is None:
        return None
    times, sky = np.array(member.times), np.array(member.cumulative)
    if method == "mask_reads":
        kept = np.array([k + 1 not in member.affected for k in range(len(times))])
        dt, electrons = np.diff(times, prepend=0.0)[kept], np.diff(times * sky, prepend=0.0)[kept]
        times = np.cumsum(dt)
        sky = np.cumsum(electrons) / times
    return expected.last_minus_first(times, sky) if method == "omit" else expected.ramp_fit(times, sky)


def prove_exposure(member: Member, before: Path, after: Path, stars: NDArray[np.float64] | None, proof: Path) -> Proof:
    """Compare an exposure's FLT with the one before.

    Parameters
    ----------
    member : Member
        What was done.
    before, after : Path
        The files.
    stars : ndarray, shape (n, 2), or None
        Right ascension and declination of stars found in the drizzled image [deg]; else they are looked for here.
    proof : Path
        Where the file for figures goes.
    """
    old, new = read_flt(before), read_flt(after)
    noise = expected_noise(member) or 0.05
    good = old.good & new.good
    # Each by its own mask: cosmic rays that `omit` leaves in cover pixels that are noisy, but sky, in the other.
    skies = (good & ~compare.source_mask(old.image, good), good & ~compare.source_mask(new.image, good))
    pair = tuple(_statistics(before, each, sky, noise) for each, sky in zip((old, new), skies, strict=True))
    places = _places(new.wcs, stars) if stars is not None else find_stars(old.image, good, noise, pair[0].level)
    fault = 0.0 if member.sky_mean is None else pair[0].level - member.sky_mean
    usable = (old.good, new.good & ~new.rejected)
    flux = flux_ratio(old.image, new.image, usable, (places, places), noise, level_fault=fault)
    write_figures(proof, (old, new), skies, noise, member.method)
    judged = compare.verdict(*pair, true_levels=(member.sky_mean, _true_level(member)), level_err=LEVEL_ERR, flux=flux)
    reason = judged.reason if member.repaired else "recalibrated with the same references, not repaired"
    accepted = judged.accepted if member.repaired else None
    rejected = float(new.rejected.mean())
    return Proof(pair[0], pair[1], (old.unstable, new.unstable), rejected, flux, accepted, reason, judged.depth_gain)


def stars_of(drizzled: Path) -> NDArray[np.float64]:
    """Return the sky positions of the stars in a drizzled image, which has no cosmic rays [deg], shape (n, 2)."""
    picture = read_drz(drizzled)
    sky = picture.good & ~compare.source_mask(picture.image, picture.good)
    found = _statistics(drizzled, picture, sky, 0.02)
    stars = find_stars(picture.image, picture.good, found.noise, found.level)
    return np.column_stack(picture.wcs.all_pix2world(*stars.T, 0)) if len(stars) else np.empty((0, 2))


def prove_drizzled(
    before: Path,
    after: Path,
    noise: float | None,
    proof: Path,
    *,
    method: str,
    stars: NDArray[np.float64],
    fault: float,
) -> Proof:
    """Compare drizzled images.

    Parameters
    ----------
    before, after : Path
        The files.
    noise : float or None
        Expected in the new one, corrected for correlation [electron/s].
    proof : Path
        Where the file for figures goes.
    method : str
        Of the repair.
    stars : ndarray, shape (n, 2)
        Sky positions of stars [deg].
    fault : float
        How far the skies of the exposures in the old image are from the truth, on average [electron/s].
    """
    old, new = read_drz(before), read_drz(after)
    same = old.image.shape == new.image.shape
    good_old, good_new = (old.good & new.good,) * 2 if same else (old.good, new.good)
    mask = compare.source_mask(new.image, good_new)
    skies = (good_old & ~(mask if same else compare.source_mask(old.image, good_old)), good_new & ~mask)
    width = noise or 0.02
    statistics = [
        _statistics(path, each, sky, width * _correlation(each)).corrected(_correlation(each))
        for path, each, sky in ((before, old, skies[0]), (after, new, skies[1]))
    ]
    places = _places(old.wcs, stars), _places(new.wcs, stars)
    usable = (old.good, new.good)
    flux = flux_ratio(old.image, new.image, usable, places, statistics[1].noise, level_fault=fault)
    write_figures(proof, (old, new), skies, width, method)
    # The sky was subtracted from each exposure: its level says nothing here.
    judged = compare.verdict(*statistics, true_levels=(None, None), level_err=LEVEL_ERR, flux=flux)
    return Proof(
        statistics[0], statistics[1], (None, None), None, flux, judged.accepted, judged.reason, judged.depth_gain
    )


def _correlation(picture: Picture) -> float:
    """Return the factor of a drizzled image's correlated noise."""
    return compare.correlated_noise(*drop_and_scale(picture.header))


def _true_level(member: Member) -> float | None:
    """Return the mean rate of the sky over the time that the image stands for [electron/s]."""
    if member.method != "mask_reads" or not member.times:
        return member.sky_mean
    times, sky = np.array(member.times), np.array(member.cumulative)
    kept = np.array([k + 1 not in member.affected for k in range(len(times))])
    electrons = np.diff(times * sky, prepend=0.0)[kept]
    return float(electrons.sum() / np.diff(times, prepend=0.0)[kept].sum())


def _statistics(path: Path, picture: Picture, sky: NDArray[np.bool_], noise: float) -> SkyStatistics:
    try:
        return compare.sky_statistics(picture.image, sky, resolution=noise)
    except ValueError as error:
        raise BadFileError(path, f"cannot be compared: {error}") from error


def _places(wcs: WCS, world: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return pixels of sky positions."""
    if not len(world):
        return np.empty((0, 2))
    return np.column_stack(wcs.all_world2pix(*world.T, 0, quiet=True))


# --- files ---------------------------------------------------------------------------------------------------------


def write_figures(
    path: Path,
    pictures: tuple[Picture, Picture],
    skies: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    noise: float,
    method: str,
) -> None:
    """Write histograms and the middle 200 x 200 pixels of both images: see docs/reprocess.md for the format."""
    arrays: dict[str, Any] = {"method": method, "noise_expected": noise}
    for word, picture, sky in zip(("before", "after"), pictures, skies, strict=True):
        edges, counts = compare.histogram(compare.clip(picture.image[sky]), noise)
        arrays |= {f"{word}_edges": edges, f"{word}_counts": counts, f"{word}_zoom": _middle(picture.image)}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)


def _middle(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the middle piece of an image."""
    rows, columns = (slice(max(n // 2 - ZOOM // 2, 0), n // 2 + ZOOM // 2) for n in image.shape)
    return image[rows, columns]


def product_row(name: str, kind: str, path: Path, proof: Proof, provenance: Mapping[str, Any]) -> Row:
    """Return a complete row of `reprocessed`."""
    method, engine = provenance["method"], provenance["engine"]
    own = {
        "product_id": f"{name}_{kind}:{method}:{engine}", "kind": kind, "path": str(path), "sha256": _sha256(path),
    }  # fmt: skip
    return TABLES["reprocessed"].empty_row() | own | proof.columns() | dict(provenance)


def write_numbers(path: Path, proof: Proof) -> None:
    """Write all numbers of a proof, also those that have no column, as JSON."""
    path.write_text(json.dumps(asdict(proof), indent=1) + "\n")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
