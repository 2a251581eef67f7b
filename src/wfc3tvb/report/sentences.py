"""Verdicts as sentences, and formats of numbers, shared by the terminal and the pages."""

from __future__ import annotations

from math import log10

from wfc3tvb.dates import moment_of
from wfc3tvb.display import counted as counted
from wfc3tvb.models import Row
from wfc3tvb.schema import TVB_KINDS
from wfc3tvb.schema.methods import METHODS

#: Error of the level from sources that is mentioned [electron/s].
_UNCERTAIN = 0.03


def printable(text: str) -> str:
    """Replace control characters, which cells and file names from outside may contain, for safe printing."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def why(row: Row) -> list[str]:
    """Return the sentences that explain the verdict of an exposure."""
    sky = f"sky {row['sky_mean']:z.2f} e-/s on average, {row['sky_min']:z.2f} to {row['sky_max']:z.2f} between reads"
    sentences = [sky]
    if (row.get("sky_err") or 0.0) > _UNCERTAIN:
        sentences.append(f"light of sources leaves the level uncertain by {row['sky_err']:.2f} e-/s, not its changes")
    if row["elevated"]:
        sentences.append(f"that is {row['excess_zodi']:z.2f} e-/s above the predicted zodiacal light")
    if row["tvb_score"] is not None and row["crrejtab_sigma"] is not None:
        threshold = row["crrejtab_sigma"]
        relation = "above" if row["tvb_score"] > threshold else "below"
        sentences.append(
            f"the largest jump of the ramp is {row['tvb_score']:.1f} sigma (read {row['jump_read']}), {relation} "
            f"calwf3's cosmic-ray threshold of {threshold:g}"
        )
    if row["pred_frac_broken"] is not None and _harmless(row):
        sentences.append("no damage to calwf3's ramp fit is predicted")
    elif row["pred_frac_broken"] is not None:
        shift = f"{row['pred_level_bias']:+z.2f}"
        sentences.append(
            f"calwf3 is predicted to cut the ramp of {100 * row['pred_frac_broken']:.1f} % of the blank-sky pixels, "
            + ("" if shift == "+0.00" else f"shift the level by {shift} e-/s, ")
            + f"and multiply the noise by {row['pred_noise_inflation']:.1f}"
        )
    if row["obs_frac_broken"] is not None:
        percent = 100 * row["obs_frac_broken"]
        sentences.append(f"in the archive's file {percent:.1f} % of the blank-sky pixels have cosmic-ray flags")
    if row["tvb_kind"] is not None:
        chances = {name: row[f"prob_{name}"] for name in TVB_KINDS if row.get(f"prob_{name}") is not None}
        likely = [f"{name} {p:.2f}" for name, p in sorted(chances.items(), key=lambda item: -item[1]) if p >= 0.05]
        sentences.append("probabilities of the causes: " + ", ".join(likely))
    if row["sun_alt_min"] is not None:
        sentences.append(
            f"Sun {row['sun_alt_min']:z.0f} to {row['sun_alt_max']:z.0f} deg above the limb, "
            f"{100 * row['frac_in_shadow']:.0f} % of the time in Earth's shadow"
        )
    if row["quality_flags"]:
        sentences.append("flags: " + ", ".join(row["quality_flags"]))
    return sentences + _advice(row)


def _harmless(row: Row) -> bool:
    """Return whether the predicted damage rounds to zero: 0.0 % of the ramps cut, and a shift of 0.00 e-/s."""
    return bool(row["pred_frac_broken"] < 5e-4 and abs(row["pred_level_bias"] or 0.0) < 5e-3)


def _advice(row: Row) -> list[str]:
    """Return the sentences on the notebook's rule and the recommendation; none where nothing is wrong."""
    if row["noise_pipeline"] is None:
        return []
    return [*_rule_of_the_notebook(row), *_repair(row)]


def _rule_of_the_notebook(row: Row) -> list[str]:
    """Return what STScI's notebook would decide, where it differs from the recommendation or confirms it."""
    if not (row["factor2"] or row["flagged"]) or row["ratio_cumulative"] is None:
        return []
    ratio, decision = row["ratio_cumulative"], "repairs it" if row["factor2"] else "leaves it"
    return [f"STScI's rule {decision}: its sky changes by a factor of {ratio:.1f}, and 2 is the limit"]


def _repair(row: Row) -> list[str]:
    from wfc3tvb.score.recommend import BIAS, WORTH, magnitudes

    method = row["recommend"]
    if method == "inspect":
        return ["inspect: no method repairs it safely (light from one side in most reads, or a kind of exposure "
                "that is never repaired), so it is not flagged"]  # fmt: skip
    if method == "none" and row["tvb_class"] in (None, "none"):
        return []
    if method == "none":
        text = (f"not worth a repair: the variable sky costs less than {100 * (WORTH - 1):.0f} % in noise, and shifts "
                f"the level by less than {BIAS} e-/s")  # fmt: skip
        gained = row.get("gain_mag") or 0.0
        if gained > magnitudes(WORTH):
            text += f" (a part of the {gained:.2f} mag that a better fit gains is lost under a constant sky, too)"
        return [text]
    noise = row.get(METHODS[method].noise_column)
    if noise is None:
        return [METHODS[method].report]
    ratio = noise / row["noise_pipeline"]
    depth = f"{abs(2.5 * log10(ratio)):.2f} mag {'deeper' if ratio < 1 else 'shallower'}"
    found = [f"{METHODS[method].report}; the sky noise becomes {ratio:.2f} of the pipeline's ({depth})"]
    return [*_scattered(row), *found]


def _scattered(row: Row) -> list[str]:
    """Return what scattered light does to an image, where it is among the causes and uneven."""
    from wfc3tvb.score.recommend import GRADIENT

    uneven = row.get("lr_diff_max")
    if row["tvb_kind"] not in ("scattered", "mixed") or uneven is None or uneven <= GRADIENT:
        return []
    return [f"scattered light makes the left of the frame up to {uneven:.2f} e-/s brighter than the right"]


def reasons(row: Row) -> list[str]:
    """Return the sentences that explain a verdict, or the reason why there is none."""
    if row["sky_mean"] is not None:
        return why(row)
    return ["not scored: " + (", ".join(row["quality_flags"] or ()) or "no reason recorded")]


def size(n_bytes: float) -> str:
    """Format a number of bytes, e.g. 168.3 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"


def duration(seconds: float) -> str:
    """Format a duration, e.g. 35 s, 12 min, 3.5 h."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def date(mjd: float) -> str:
    """Format an MJD as date and time, UTC, to the second; unchanged where it is out of the range of dates."""
    try:
        return f"{moment_of(mjd):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError):
        return str(mjd)
