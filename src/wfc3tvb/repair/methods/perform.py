"""Recalibration with the ramp fit (CRCORR=PERFORM) and the references of the repaired exposures; not a repair."""

from __future__ import annotations

from wfc3tvb.repair.methods.base import RepairMethod
from wfc3tvb.schema.methods import PERFORM

METHOD = RepairMethod(PERFORM)
