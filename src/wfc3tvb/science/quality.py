"""What to know before trusting an exposure's numbers, from its header and its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfc3tvb.names import GRISMS

#: Shares of the frame that sources cover.
CROWDED, EXTENDED = 0.5, 0.85
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
        "grism": _text(header, "FILTER") in GRISMS,
    }
    return [name for name, true in tests.items() if true]


def source_flags(source_fraction: float, saturated_fraction: float, unevenness: float = 0.0) -> list[str]:
    """Return the flags that pixels tell: how much sources cover, how uneven the sky is, how much is saturated."""
    extended = source_fraction > EXTENDED or unevenness > UNEVEN
    tests = {
        "extended_source": extended,
        "crowded": source_fraction > CROWDED and not extended,
        "saturated": saturated_fraction > SATURATED,
    }
    return [name for name, true in tests.items() if true]


def _text(header: Mapping[str, Any], keyword: str) -> str:
    value = header.get(keyword, "")
    return ("T" if value else "F") if isinstance(value, bool) else str(value).strip().upper()
