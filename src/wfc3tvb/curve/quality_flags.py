"""Derive quality flags of an exposure from its header and its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfc3tvb.curve.faint_sources import FaintLight
from wfc3tvb.instrument import is_grism

#: Masked fraction of the frame above which no sky is visible.
EXTENDED = 0.85
#: Faint light subtracted from the sky [electron/s], and fraction of the frame covered by sources, above either of which
#: a field is crowded.
FAINT_LIGHT, CROWDED = 0.01, 0.25
#: Relative scatter of the sky level over the frame above which an extended source must fill it: flat-fielded exposures
#: of empty and crowded fields stay below 0.01, a galaxy that fills the frame and doubles the level gives 0.07.
UNEVEN = 0.05
#: Fraction of saturated pixels in the last read above which an exposure is flagged.
SATURATED = 0.01


def header_flags(header: Mapping[str, Any], *, lock_lost: bool = False) -> list[str]:
    """Return the flags that follow from the header, and from the guide stars' lock as the observation log has it.

    FGSLOCK is the lock that was commanded, and tells nothing about a loss.
    """
    tests = {
        "subarray": bool(header.get("SUBARRAY", False)),
        "guide_star_failure": lock_lost or _text(header, "EXPFLAG") not in ("NORMAL", ""),
        "scan": _text(header, "SCAN_TYP") not in ("N", ""),
        "moving_target": _text(header, "MTFLAG") in ("T", "1", "TRUE"),
        "grism": is_grism(header.get("FILTER")),
        "no_flat_field": _text(header, "FLATCORR") not in ("COMPLETE", ""),
    }
    return [name for name, true in tests.items() if true]


def source_flags(
    source_fraction: float, saturated_fraction: float, light: FaintLight, unevenness: float = 0.0
) -> list[str]:
    """Return the flags that follow from the pixels: masked and saturated fractions, faint light, unevenness."""
    extended = source_fraction > EXTENDED or unevenness > UNEVEN
    tests = {
        "extended_source": extended,
        "crowded": (light.level > FAINT_LIGHT or light.covered > CROWDED) and not extended,
        "saturated": saturated_fraction > SATURATED,
    }
    return [name for name, true in tests.items() if true]


def _text(header: Mapping[str, Any], keyword: str) -> str:
    value = header.get(keyword, "")
    return ("T" if value else "F") if isinstance(value, bool) else str(value).strip().upper()
