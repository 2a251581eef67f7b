"""The answer of a visit in a sentence: was it hit, was it repaired, what is gained."""

from __future__ import annotations

from collections.abc import Sequence

from wfc3tvb.models import Row


def answer(exposures: Sequence[Row], products: Sequence[Row]) -> str:
    """Return what an observer wants to know first of a visit.

    Parameters
    ----------
    exposures : rows of `exposures`
        Exposures of the visit.
    products : rows of `reprocessed`
        Products of the visit.
    """
    scored = [row for row in exposures if row["tvb_class"] is not None]
    if not scored:
        return f"{_exposures(len(exposures))} could not be scored."
    hit = sum(row["tvb_class"] != "none" for row in scored)
    counted = f"{_number(hit)} of {_exposures(len(scored))} {'was' if hit <= 1 else 'were'} hit"
    if len(scored) == 1:
        one = "The exposure" if len(exposures) == 1 else "The one scored exposure"
        counted = f"{one} was {'' if hit else 'not '}hit"
    if len(scored) < len(exposures):
        counted += f" ({len(exposures) - len(scored)} could not be scored)"
    repaired = [row for row in products if row["method"] != "perform" and row["accepted"] is not None]
    if repaired:
        return f"{counted}; {_outcome(repaired)}."
    return f"{counted}{_advice(exposures)}."


def _exposures(n: int) -> str:
    return f"{n} exposure{'' if n == 1 else 's'}"


def _number(n: int) -> str:
    return "None" if n == 0 else str(n)


def _advice(exposures: Sequence[Row]) -> str:
    """Return what should be done about a visit that is not repaired."""
    flagged = [row for row in exposures if row["flagged"]]
    if flagged:
        name = flagged[0]["asn_id"] or flagged[0]["dataset"] or flagged[0]["rootname"]
        worth = "it is worth a repair" if len(flagged) == 1 else f"{len(flagged)} are worth a repair"
        return f"; {worth}: wfc3tvb reprocess --id {name}"
    if any(row["recommend"] == "inspect" for row in exposures):
        return "; no method repairs it safely, so it should be inspected"
    if any(row["tvb_class"] not in (None, "none") for row in exposures):
        return "; a repair would gain too little"
    return ", and nothing needs a repair"


def _outcome(repaired: Sequence[Row]) -> str:
    """Return the result of the repairs: that of the drizzled images where there are some, else of the exposures."""
    final = [row for row in repaired if row["kind"] == "drz"] or list(repaired)
    accepted = [row for row in final if row["accepted"]]
    if not accepted:
        return f"repaired, but not accepted: {final[0]['accept_reason'] or 'no reason recorded'}"
    several = len(final) > 1
    parts = [_gain(row, named=several) for row in accepted]
    refused = len(final) - len(accepted)
    state = "repaired and accepted" if not refused else f"repaired, {len(accepted)} of {len(final)} images accepted"
    return f"{state}: " + "; ".join(parts)


def _gain(row: Row, *, named: bool) -> str:
    """Return the change of the noise and what it is worth, as magnitudes and as exposure time."""
    name = f"{row['rootname'] or row['dataset']} " if named else ""
    if row["noise_before"] is None or row["noise_after"] is None:
        return f"{name}the noise was not measured"
    text = f"{name}noise {row['noise_before']:.4f} \N{RIGHTWARDS ARROW} {row['noise_after']:.4f} e-/s"
    gain = row["depth_gain_mag"]
    if gain is not None and abs(gain) >= 0.005:
        text += f", {abs(gain):.2f} mag {'deeper' if gain > 0 else 'shallower'}"
    factor = row["exptime_factor"]
    return text if factor is None or factor < 1.05 else f"{text}, as deep as {factor:.1f} times the exposure"
