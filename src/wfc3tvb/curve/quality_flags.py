"""What to know before trusting an exposure's numbers, from its header and its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfc3tvb.curve.faint_sources import FaintLight
from wfc3tvb.instrument import is_grism

#: Share of the frame that is masked, above which there is no sky.
EXTENDED = 0.85
#: Faint light that was taken off the sky [electron/s], and share of the frame that shines, above which it is crowded.
FAINT_LIGHT, CROWDED = 0.01, 0.25
#: Scatter of the sky level over the frame, over the level, above which it is no sky: flat-fielded exposures of empty
#: and crowded fields stay below 0.01, a galaxy that fills the frame and doubles the level gives 0.07.
UNEVEN = 0.05
#: Share of saturated pixels in the last read.
SATURATED = 0.01


def header_flags(header: Mapping[str, Any]) -> list[str]:
    """Return the flags that a header alone tells."""
    lock, state = _text(header, "FGSLOCK"), _text(header, "EXPFLAG")
    tests = {
        "subarray": bool(header.get("SUBARRAY", False)),
        "guide_star_failure": lock not in ("FINE", "") or state not in ("NORMAL", ""),
        "scan": _text(header, "SCAN_TYP") not in ("N", ""),
        "moving_target": _text(header, "MTFLAG") in ("T", "1", "TRUE"),
        "grism": is_grism(header.get("FILTER")),
        "no_flat_field": _text(header, "FLATCORR") not in ("COMPLETE", ""),
    }
    return [name for name, true in tests.items() if true]


def source_flags(
    source_fraction: float, saturated_fraction: float, light: FaintLight, unevenness: float = 0.0
) -> list[str]:
    """Return the flags that pixels tell: what is masked, saturated, taken off for faint light; how uneven it is."""
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
