"""Order of the calibration steps; each is `apply` of the module named after its switch."""

from __future__ import annotations

from collections.abc import Callable

from wfc3tvb.calibration import (
    blevcorr,
    darkcorr,
    dqicorr,
    error_array,
    flatcorr,
    nlincorr,
    unitcorr,
    zoffcorr,
    zsigcorr,
)
from wfc3tvb.calibration.bands import Band, Work
from wfc3tvb.calibration.crcorr import step as crcorr

Step = Callable[[Work, Band], None]

#: The steps in calwf3's order, each with its switch; None is always done.
STEPS: tuple[tuple[str | None, Step], ...] = (
    ("dqicorr", dqicorr.apply),
    (None, zoffcorr.keep_zeroth),
    ("zsigcorr", zsigcorr.apply),
    ("blevcorr", blevcorr.apply),
    ("zoffcorr", zoffcorr.apply),
    (None, error_array.apply),
    ("nlincorr", nlincorr.apply),
    ("darkcorr", darkcorr.apply),
    ("unitcorr", unitcorr.apply),
    ("crcorr", crcorr.apply),
    ("flatcorr", flatcorr.apply),
)
