"""Calibration again with the ramp fit (CRCORR=PERFORM): not a repair, but the same references as the repaired."""

from __future__ import annotations

from wfc3tvb.repair.methods.base import RepairMethod
from wfc3tvb.schema.methods import PERFORM

METHOD = RepairMethod(PERFORM)
