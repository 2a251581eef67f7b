"""Derive quality flags of an exposure from its header and its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wfc3tvb.curve.faint_sources import FaintLight
from wfc3tvb.instrument import is_grism

#: Faint light subtracted from the sky [electron/s], and fraction of the frame covered by sources, above either of which
#: a field is crowded.
FAINT_LIGHT, CROWDED = 0.01, 0.25
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


def source_flags(saturated_fraction: float, light: FaintLight, *, extended: bool) -> list[str]:
    """Return the flags that follow from the pixels: an extended source, faint light, the fraction saturated."""
    tests = {
        "extended_source": extended,
        "crowded": (light.level > FAINT_LIGHT or light.covered > CROWDED) and not extended,
        "saturated": saturated_fraction > SATURATED,
    }
    return [name for name, true in tests.items() if true]


def _text(header: Mapping[str, Any], keyword: str) -> str:
    value = header.get(keyword, "")
    return ("T" if value else "F") if isinstance(value, bool) else str(value).strip().upper()
