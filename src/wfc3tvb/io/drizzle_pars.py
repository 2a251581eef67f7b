"""Parameters of AstroDrizzle: what always holds, what a user gives, what memory allows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.names import DQ

#: What always holds. One process gives the same pixels as drizzlepac's default pool in half the time; bit 4096 of an
#: earlier run's rejection is cleared; the input's own headers and DQ are updated, not copies of them.
_ALWAYS: dict[str, Any] = {
    "num_cores": 1, "resetbits": 4096, "preserve": False, "clean": True, "build": True, "updatewcs": False,
}  # fmt: skip
#: Cosmic-ray rejection, whatever the MDRIZTAB says: `omit` leaves the cosmic rays in.
_REJECT: dict[str, Any] = {"driz_separate": True, "median": True, "blot": True, "driz_cr": True, "driz_cr_corr": False}
#: Flags that pass beside those of the MDRIZTAB: ZEROSIG marks signal in the zeroth read, which ZSIGCORR has put back.
#: The ramp fit drops it and `omit` keeps it, on the brightest pixels of stars: masked, stars would lose 5 % and more.
GOOD_BITS = int(DQ.ZEROSIG)
#: Memory that drizzling in memory may take [byte], and what a pixel of one exposure then takes [byte]
#: (measured: 482 MB for six full frames, 310 MB of it the libraries).
IN_MEMORY_LIMIT = 2 * 2**30
_BYTES_PER_PIXEL = 28


def parameters_for(flts: Sequence[Path], given: Mapping[str, Any], *, weighted: bool = False) -> dict[str, Any]:
    """Return the AstroDrizzle parameters that override the MDRIZTAB's for these exposures."""
    parameters = _ALWAYS | {"in_memory": _fits_memory(flts)}
    if len(flts) > 1:
        parameters |= _REJECT
    if weighted:
        parameters |= {"final_wht_type": "IVM"}
    return parameters | dict(given)


def read_parameters(path: Path) -> dict[str, Any]:
    """Read AstroDrizzle parameters from a JSON file.

    Raises
    ------
    BadArgumentError
        If it is not a JSON object, or sets what this package decides (input, output, mdriztab).
    """
    try:
        parameters = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadArgumentError(f"--drizzle-pars {path}: not a JSON file that can be read ({error})") from error
    if not isinstance(parameters, dict):
        raise BadArgumentError(f'--drizzle-pars {path}: write an object, e.g. {{"final_pixfrac": 0.8}}')
    if taken := {"input", "output", "mdriztab", "updatewcs"} & set(parameters):
        raise BadArgumentError(f"--drizzle-pars {path}: {', '.join(sorted(taken))} cannot be set here")
    return parameters


def _fits_memory(flts: Sequence[Path]) -> bool:
    """Say whether the exposures can be drizzled in memory; a full frame's FLT has 12 to 16 bytes a pixel."""
    pixels = sum(path.stat().st_size for path in flts) / 12
    return pixels * _BYTES_PER_PIXEL < IN_MEMORY_LIMIT
