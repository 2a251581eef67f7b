"""The answer of a visit in a sentence."""

from __future__ import annotations

from wfc3tvb.models import Row
from wfc3tvb.report.answer import answer
from wfc3tvb.schema import TABLES


def exposure(name: str | None, **columns: object) -> Row:
    """Return an exposure of a class."""
    known = {"rootname": "ibohbfb7q", "asn_id": "ibohbf040", "tvb_class": name, "flagged": False, "recommend": "none"}
    return TABLES["exposures"].empty_row() | known | columns


def product(kind: str, *, accepted: bool | None = True, **columns: object) -> Row:
    """Return a product with the gain of the visit IBOHBF."""
    numbers = {"noise_before": 0.0267, "noise_after": 0.0159, "depth_gain_mag": 0.563, "exptime_factor": 2.82}
    known = {"dataset": "ibohbf040", "kind": kind, "method": "optimal", "accepted": accepted}
    return TABLES["reprocessed"].empty_row() | known | numbers | columns


def test_repaired_and_accepted() -> None:
    exposures = [exposure("severe"), exposure("none"), exposure("mild"), exposure("moderate"), *[exposure("none")] * 2]
    assert answer(exposures, [product("flt", noise_after=9.0), product("drz")]) == (
        "3 of 6 exposures were hit; repaired and accepted: noise 0.0267 \N{RIGHTWARDS ARROW} 0.0159 e-/s, 0.56 mag "
        "deeper, as deep as 2.8 times the exposure."
    )


def test_not_repaired() -> None:
    hit = exposure("severe", flagged=True, recommend="optimal")
    assert answer([hit], []) == "The exposure was hit; it is worth a repair: wfc3tvb reprocess --id ibohbf040."
    several = answer([hit, hit, exposure("none")], [])
    assert several == "2 of 3 exposures were hit; 2 are worth a repair: wfc3tvb reprocess --id ibohbf040."
    assert "should be inspected" in answer([exposure("severe", recommend="inspect")], [])
    assert "would gain too little" in answer([exposure("mild")], [])


def test_not_hit() -> None:
    assert answer([exposure("none")] * 2, []) == "None of 2 exposures was hit, and nothing needs a repair."
    assert answer([exposure("none")], []) == "The exposure was not hit, and nothing needs a repair."
    assert answer([exposure("none"), exposure(None)], []).startswith("The one scored exposure was not hit (1 could")
    assert answer([exposure(None)], []) == "1 exposure could not be scored."


def test_recalibrated_alone_is_not_repaired() -> None:
    found = answer([exposure("none")], [product("flt", accepted=None, method="perform")])
    assert "repaired" not in found


def test_not_accepted() -> None:
    refused = product("drz", accepted=False, accept_reason="the flux of the stars is wrong")
    assert answer([exposure("mild")], [refused]).endswith("repaired, but not accepted: the flux of the stars is wrong.")
    both = answer([exposure("mild")], [refused, product("drz", dataset="ibohbf050")])
    assert "repaired, 1 of 2 images accepted: ibohbf050 noise" in both
