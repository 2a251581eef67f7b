"""Cut a row out of the arrays of an imset, inside kernels."""

from __future__ import annotations

from wfc3tvb.calibration.model import Imset
from wfc3tvb.system.compiled import compiled


@compiled
def row_of(imset, place):
    """Return part of an `Imset`, or of anything else with sci, err and dq.

    Parameters
    ----------
    imset : Imset or Flat
        The arrays.
    place : tuple
        Index into each of them.
    """
    return Imset(imset.sci[place], imset.err[place], imset.dq[place])
