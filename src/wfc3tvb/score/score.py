"""Compute sky, excess, damage, cause and recommendation from the stored rows of a curve, without pixels."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve import noise_model
from wfc3tvb.instrument import find_filter, sees_helium
from wfc3tvb.models import Row
from wfc3tvb.schema.methods import METHODS
from wfc3tvb.score import cause
from wfc3tvb.score.cause_features import Features, features
from wfc3tvb.score.damage import Damage, class_probabilities, damage_class, noise_factor, predict, steady_factor
from wfc3tvb.score.recommend import REFUSED, Situation, candidates, gain, magnitudes, recommendation
from wfc3tvb.score.sides import Sides, find_sides
from wfc3tvb.score.sky import Sky, jump_statistic, jump_statistic_error, measure_sky
from wfc3tvb.score.stored_curve import StoredCurve, column
from wfc3tvb.score.zodiacal import zodiacal_level

Float64Array = NDArray[np.float64]

#: Version of the scores; changes whenever the values derived from stored reads change.
SCORE_VERSION = "1.4"
#: Threshold in the IR CRREJTAB that the archive has used since 2009 (u6a1748ri_crr.fits), used if the exposure's own
#: table is not available [standard deviations].
CRREJTAB_SIGMA = 4.0
#: Excess over the zodiacal light above which an exposure is elevated [electron/s] (Brammer's 75th percentile).
ELEVATED = 0.5
#: Lowest rate without helium above which it cannot be the zodiacal light, over its model: three errors of the model, in
#: electron/s, and as a fraction.
ABOVE, ABOVE_RELATIVE = 0.3, 0.3
#: A read is dark where the Sun is at least this far below the limb [deg]: helium ends within a degree of sunset, and
#: begins some minutes after sunrise.
DARK_ALTITUDE = -2.0

_SKY_COLUMNS = {
    "sky_mean": "mean",
    "sky_min": "minimum",
    "sky_max": "maximum",
    "sky_last": "last",
    "ratio_cumulative": "ratio_cumulative",
    "ratio_interval": "ratio_interval",
    "factor2": "factor2",
    "excess_variable": "excess_variable",
    "affected_position": "position",
}
_SCORES = (
    *_SKY_COLUMNS, "affected_reads", "zodi_model", "excess_zodi", "excess_helium", "he_kr", "elevated",
    "lr_diff_max", "lr_ratio_max", "tvb_score", "tvb_score_err", "jump_read",
    "pred_frac_broken", "pred_noise_inflation", "pred_level_bias", "tvb_class", "tvb_kind",
    *(f"prob_{name}" for name in ("none", "mild", "moderate", "severe", *cause.CAUSES)),
    "noise_pipeline", "gain_mag", *(method.noise_column for method in METHODS.values()),
)  # fmt: skip


def score(exposure: Row, reads: Sequence[Row], settings: MeasureSettings) -> Row:
    """Return an exposure's row with all values that follow from its reads recomputed.

    Parameters
    ----------
    exposure : row of `exposures`
        A measured exposure; its scores are replaced. If a streak was found, `affected_reads` lists its reads.
    reads : rows of `reads`
        Its reads in time order.
    settings : MeasureSettings
        Settings of the measurement.
    """
    curve = StoredCurve(reads, np.array([bool(row["used"]) for row in reads]))
    flags = [flag for flag in exposure["quality_flags"] if flag not in ("few_reads", "above_zodiacal")]
    n_used = int(curve.used.sum())
    row = exposure | dict.fromkeys(_SCORES) | {"affected_reads": _crossed(exposure)} | _place(reads)
    row |= {"n_reads_used": n_used, "score_version": SCORE_VERSION, "recommend": "none", "flagged": False}
    if n_used < settings.min_reads:
        flags.append("few_reads")
    row["quality_flags"] = flags
    if not {"few_reads", "bad_times"} & set(flags):
        row |= _scores(row, curve, settings)
    if row["zodi_model"] is not None and _above_zodiacal(row["filter"], curve, row["zodi_model"]):
        flags.append("above_zodiacal")
    return row


def _crossed(exposure: Row) -> list[int] | None:
    """Return the reads with a streak, found by the measurement, and those affected when last scored, or None."""
    return exposure["affected_reads"] if "trail" in exposure["quality_flags"] else None


def generator(rootname: str) -> np.random.Generator:
    """Return the random generator of an exposure, seeded with its rootname."""
    return np.random.default_rng(zlib.crc32(rootname.encode()))


def _scores(row: Row, curve: StoredCurve, settings: MeasureSettings) -> Row:
    interval = curve["t_start"], curve["t_end"], curve["rate"]
    error = np.hypot(curve["rate_err"], settings.systematic)
    sky = measure_sky(*interval, error, curve.used, noise=curve["rate_err"])
    rng = generator(row["rootname"])
    jump, jump_read = jump_statistic(curve["t_end"], curve.total)
    jump_error = jump_statistic_error(*interval, curve["rate_err"], settings.systematic, rng)
    sides = find_sides(curve["lr_diff"], curve["rate_err"], curve.used)
    damage = _predict(curve, row["crrejtab_sigma"] or CRREJTAB_SIGMA, rng, sides)
    affected = sorted({*sky.affected, *sides.reads})
    new = {name: getattr(sky, attribute) for name, attribute in _SKY_COLUMNS.items()}
    new |= {"affected_reads": sorted({*affected, *(row["affected_reads"] or ())})}
    new |= {"lr_diff_max": _largest(curve, "lr_diff"), "lr_ratio_max": _largest(curve, "lr_ratio")}
    new |= {"tvb_score": jump, "tvb_score_err": jump_error, "jump_read": jump_read}
    beside = {"gradient": sides.mean(curve.dt, curve.used), "factor": _factor(curve, damage)}
    errors = float(error[curve.used].max()), jump_error
    new |= _excess(row, curve, sky) | _class(damage, sky, errors, **beside)
    if new["tvb_class"] != "none" or "trail" in row["quality_flags"]:
        new |= _kind(row, curve, affected, error)
    return new | _recommend(row | new, curve, damage, sides=sides, affected=affected)


def _predict(curve: StoredCurve, sigma: float, rng: np.random.Generator, sides: Sides) -> Damage:
    good = np.isfinite(curve.total)
    collected = np.cumsum(np.where(good, sides.change * curve.dt, 0.0))[good] if sides.lit.any() else None
    return predict(curve["t_end"][good], curve.total[good], sigma, rng, side=collected)


def _excess(row: Row, curve: StoredCurve, sky: Sky) -> Row:
    """Return the columns of the excess over the zodiacal model; none if there is no model.

    Under an extended source the excess is not known, since the source's light is part of the level.
    """
    mjd = column(curve.rows, "mjd")
    date = row["expstart"] if row["expstart"] is not None else float(mjd[0])
    if row["ra"] is None or row["dec"] is None or not np.isfinite(date):
        return {}
    zodi = zodiacal_level(row["filter"], row["ra"], row["dec"], date)
    if zodi is None:
        return {}
    if "extended_source" in row["quality_flags"]:
        return {"zodi_model": zodi}
    helium, known = _helium(row["filter"], curve, zodi), find_filter(row["filter"])
    kilorayleigh = None if known is None else known.kilorayleigh
    return {
        "zodi_model": zodi,
        "excess_zodi": sky.mean - zodi,
        "elevated": sky.mean - zodi > ELEVATED,
        "excess_helium": helium,
        "he_kr": None if helium is None or kilorayleigh is None else kilorayleigh * helium,
    }


def _helium(name: str, curve: StoredCurve, zodi: float) -> float | None:
    """Return the sum of (rate - zodi) dt over the reads out of shadow, divided by the exposure time (Brammer)."""
    shadow, rate = curve["in_shadow"], curve["rate"]
    if not sees_helium(name) or not np.isfinite(shadow).all():
        return None
    lit = (shadow == 0) & np.isfinite(rate)
    return float(((rate - zodi) * curve.dt)[lit].sum() / curve["t_end"][-1])


def _above_zodiacal(name: str, curve: StoredCurve, zodi: float) -> bool:
    """Return whether the level of the reads without helium is above the model, beyond its error."""
    dark = curve.used & (curve["sun_alt"] < DARK_ALTITUDE) if sees_helium(name) else curve.used
    rate = curve["rate"][dark]
    return bool(rate.size and rate.min() - zodi > max(ABOVE, ABOVE_RELATIVE * zodi))


def _factor(curve: StoredCurve, damage: Damage) -> float:
    good = np.isfinite(curve.total)
    return noise_factor(curve["t_end"][good], curve.total[good], damage.noise_pipeline)


def _class(damage: Damage, sky: Sky, errors: tuple[float, float], *, gradient: float, factor: float) -> Row:
    beside = {"gradient": gradient, "factor": factor}
    probability = class_probabilities(damage, sky.excess_variable, *errors, **beside)
    return {
        "pred_frac_broken": damage.frac_broken,
        "pred_noise_inflation": damage.noise_inflation,
        "pred_level_bias": damage.level_bias,
        "tvb_class": damage_class(damage.frac_broken, sky.excess_variable, damage.level_bias, **beside),
        **{f"prob_{name}": value for name, value in probability.items()},
    }


def cause_features(row: Row, reads: Sequence[Row], settings: MeasureSettings) -> Features:
    """Compute the features of an exposure's reads, the input of `cause.posterior`.

    Parameters
    ----------
    row : row of `exposures`
        Its filter and flags.
    reads : rows of `reads`
        In time order, with at least `settings.min_reads` used ones.
    settings : MeasureSettings
        Settings of the measurement.
    """
    curve = StoredCurve(reads, np.array([bool(read["used"]) for read in reads]))
    error = np.hypot(curve["rate_err"], settings.systematic)
    sky = measure_sky(curve["t_start"], curve["t_end"], curve["rate"], error, curve.used)
    lit = find_sides(curve["lr_diff"], curve["rate_err"], curve.used).reads
    return _features(row, curve, sorted({*sky.affected, *lit}), error)


def _features(row: Row, curve: StoredCurve, affected_reads: Sequence[int], error: Float64Array) -> Features:
    used = curve.used
    affected = np.isin(np.flatnonzero(used) + 1, affected_reads)
    place = {name: curve[name][used] for name in ("sun_alt", "limb_angle", "bright_limb")}
    t, rate, side = (curve["t_start"] + curve["t_end"])[used] / 2, curve["rate"][used], curve["lr_diff"][used]
    streak = "trail" in row["quality_flags"]
    return features(row["filter"], t, rate, error[used], side, affected, **place, streak=streak)


def _kind(row: Row, curve: StoredCurve, affected: Sequence[int], error: Float64Array) -> Row:
    found = cause.posterior(_features(row, curve, affected, error))
    probability = cause.probabilities(found)
    return {"tvb_kind": cause.kind_of(found), **{f"prob_{name}": p for name, p in probability.items()}}


def _recommend(row: Row, curve: StoredCurve, damage: Damage, *, sides: Sides, affected: Sequence[int]) -> Row:
    flags, good = set(row["quality_flags"]), np.isfinite(curve.total)
    case = Situation(
        noise_pipeline=damage.noise_pipeline,
        noises=_noises(curve, affected, damage),
        level_bias=damage.level_bias,
        level_bias_err=damage.level_bias_err,
        steady=steady_factor(curve["t_end"][good], curve.total[good]),
        gradient=sides.mean(curve.dt, curve.used),
        n_dark_reads=int((curve.used & ~sides.lit).sum()),
        is_single_exposure=row["asn_id"] is None,
        is_damaged=row["tvb_class"] in ("moderate", "severe"),
        refused=bool(flags & REFUSED),
    )
    choice = recommendation(case)
    best = choice if choice in METHODS else candidates(is_single_exposure=case.is_single_exposure)[0].name
    return {
        "recommend": choice,
        "flagged": choice in METHODS,
        "noise_pipeline": case.noise_pipeline,
        "gain_mag": magnitudes(gain(case.noise_pipeline, case.noises[best])),
        **{METHODS[name].noise_column: noise for name, noise in case.noises.items()},
    }


def _noises(curve: StoredCurve, affected: Sequence[int], damage: Damage) -> dict[str, float | None]:
    """Return the sky noise expected after each method, from the drawn pixels if available, else from its formula."""
    drawn = damage.noises | {"mask_reads": _masked_noise(curve, affected, damage)}
    good = np.isfinite(curve.total)
    times = curve["t_end"][good]
    return {
        name: drawn[name] if name in drawn else getattr(noise_model, method.noise)(times, curve.total[good] / times)
        for name, method in METHODS.items()
    }


def _masked_noise(curve: StoredCurve, affected: Sequence[int], damage: Damage) -> float | None:
    """Return the noise with the affected reads left out; None if fewer than three quiet ones remain."""
    quiet = curve.used & ~np.isin(np.arange(curve.used.size) + 1, affected)
    if not affected or quiet.sum() < 3:
        return None
    time = float(curve.dt[quiet].sum())
    noise = noise_model.last_minus_first_noise(float((curve["rate"] * curve.dt)[quiet].sum()), time)
    return noise * damage.noise_flatten / damage.noise_omit


def _largest(curve: StoredCurve, name: str) -> float | None:
    values = curve[name][curve.used]
    return float(np.nanmax(values)) if np.isfinite(values).any() else None


def _place(reads: Sequence[Row]) -> Row:
    """Return the geometry columns of an exposure: extremes over its reads."""
    known = [row for row in reads if row["sun_alt"] is not None]
    if not known:
        return {"sun_alt_min": None, "sun_alt_max": None, "limb_angle_min": None, "frac_in_shadow": None}
    altitude = [row["sun_alt"] for row in known]
    dt = np.array([row["t_end"] - row["t_start"] for row in known])
    shadow = np.array([row["in_shadow"] for row in known])
    return {
        "sun_alt_min": min(altitude),
        "sun_alt_max": max(altitude),
        "limb_angle_min": min(row["limb_angle"] for row in known),
        "frac_in_shadow": float(dt[shadow].sum() / dt.sum()) if dt.sum() > 0 else None,
    }
