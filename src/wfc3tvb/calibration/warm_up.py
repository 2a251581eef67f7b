"""Load the machine code of the steps before it is needed, or compile it on the first run on a machine."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wfc3tvb.calibration.bands import BAND, Work, bands_of
from wfc3tvb.calibration.model import (
    Amplifiers,
    Dark,
    Flat,
    Linearity,
    Overscan,
    Planes,
    Ramp,
    ReferenceData,
    Rejection,
    Switches,
)
from wfc3tvb.calibration.run import Tally
from wfc3tvb.calibration.steps import STEPS

_READS, _SIZE = 3, 12


def load_kernels(report: Callable[[int, int], object] = lambda done, total: None, *, fit: bool = True) -> None:
    """Run all steps over a tiny exposure, which loads or compiles their machine code.

    Parameters
    ----------
    report : callable, optional
        Called after each step with the number of steps that are done, and of all.
    fit : bool, optional
        Whether to include the ramp fit, which is most of the code.
    """
    work = Work(_tiny_ramp(), _tiny_references(), Switches())
    steps = [step for name, step in STEPS if fit or name != "crcorr"]
    part, total = work.rows(0, BAND), len(steps) + 1
    (band,) = bands_of(part)
    for done, step in enumerate(steps, 1):
        step(part, band)
        report(done, total)
    Tally(work, 31743).add(part)
    report(total, total)


def _tiny_ramp() -> Ramp:
    cube = np.zeros((_READS, _SIZE, _SIZE), np.float32)
    times = np.arange(_READS, dtype=np.float32)
    return Ramp(cube, cube.copy(), np.zeros(cube.shape, np.int16), times, times.astype(np.float64))


def _tiny_references() -> ReferenceData:
    plane, flags = np.ones((_SIZE, _SIZE), np.float32), np.zeros((_SIZE, _SIZE), np.int16)
    overscan = Overscan((5, 5), (5, 5), (1, 4), (_SIZE - 3, _SIZE))
    sci, dq = Planes((plane,) * _READS, np.float32), Planes((flags,) * _READS, np.int16)
    return ReferenceData(
        amplifiers=Amplifiers(np.ones(4, np.float32), np.ones(4, np.float32), _SIZE // 2, _SIZE // 2),
        overscan=overscan,
        bad_pixels=flags,
        linearity=Linearity(np.zeros((4, _SIZE, _SIZE), np.float32), plane, flags, plane, plane),
        dark=Dark(sci, sci, dq),
        flat=Flat(plane, plane, flags),
        rejection=Rejection(),
    )
