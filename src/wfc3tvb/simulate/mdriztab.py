"""Make the table of AstroDrizzle's parameters by number of exposures (MDRIZTAB).

Values follow the real table 3562021pi and drizzlepac's own parameter sets for WFC3/IR (``any_n1``, ``any_n2``,
``any_n4``): bits 528 are blobs (512) and hot pixels (16), accepted where dithers cannot replace them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from astropy.io import fits

from wfc3tvb.simulate.reference_tables import reference, table

_ALL_BITS = 65535
_UNSET = -2147483647

# Column, format, value for all rows.
_COMMON: tuple[tuple[str, str, Any], ...] = (
    ("filter", "12A", "ANY"),
    ("numimages", "J", 1),
    ("proc_unit", "20A", "native"),
    ("context", "L", True),
    ("build", "L", True),
    ("crbit", "J", 4096),
    ("static", "L", True),
    ("static_sig", "E", 4.0),
    ("skysub", "L", True),
    ("skywidth", "E", 0.1),
    ("skystat", "20A", "median"),
    ("skylower", "E", -100.0),
    ("skyupper", "E", np.nan),
    ("skyclip", "J", 5),
    ("skylsigma", "E", 4.0),
    ("skyusigma", "E", 4.0),
    ("driz_separate", "L", True),
    ("driz_sep_kernel", "20A", "turbo"),
    ("driz_sep_wt_scl", "20A", "exptime"),
    ("driz_sep_pixfrac", "E", 1.0),
    ("driz_sep_fillval", "20A", "INDEF"),
    ("driz_sep_bits", "J", 528),
    ("median", "L", True),
    ("median_newmasks", "L", True),
    ("combine_maskpt", "E", 0.3),
    ("combine_type", "20A", "median"),
    ("combine_nsigma", "20A", "4 3"),
    ("combine_nlow", "J", 0),
    ("combine_nhigh", "J", 1),
    ("combine_lthresh", "E", np.nan),
    ("combine_hthresh", "E", np.nan),
    ("combine_grow", "J", 1),
    ("blot", "L", True),
    ("blot_interp", "20A", "poly5"),
    ("blot_sinscl", "E", 1.0),
    ("driz_cr", "L", True),
    ("driz_cr_corr", "L", False),
    ("driz_cr_snr", "20A", "5.0 4.0"),
    ("driz_cr_grow", "J", 1),
    ("driz_cr_ctegrow", "J", 0),
    ("driz_cr_scale", "20A", "3.0 2.4"),
    ("driz_combine", "L", True),
    ("final_wht_type", "20A", "EXP"),
    ("final_kernel", "20A", "square"),
    ("final_wt_scl", "20A", "exptime"),
    ("final_pixfrac", "E", 1.0),
    ("final_fillval", "20A", "INDEF"),
    ("final_bits", "J", 528),
    ("final_units", "20A", "cps"),
    ("final_outnx", "J", _UNSET),
    ("final_outny", "J", _UNSET),
)
_ONE: dict[str, Any] = dict.fromkeys(("static", "driz_separate", "median", "blot", "driz_cr"), False)
_ROWS: tuple[dict[str, Any], ...] = (
    _ONE | {"numimages": 1, "driz_sep_bits": _ALL_BITS, "final_bits": _ALL_BITS, "combine_nhigh": 0},
    {"numimages": 2, "driz_sep_bits": _ALL_BITS, "combine_type": "minmed", "combine_nhigh": 0},
    {"numimages": 4},
)


def mdriztab() -> fits.HDUList:
    """Return the table: rows for one, two or three, and four or more exposures."""
    formats = {name: form for name, form, _ in _COMMON}
    common = {name: value for name, _, value in _COMMON}
    return reference("MULTIDRIZZLE PARAMETERS", [table("MDZ", formats, [common | row for row in _ROWS])])
