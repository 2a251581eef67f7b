"""Thresholds of the published tables of cosmic-ray rejection."""

from __future__ import annotations

from pathlib import Path

import pytest

from wfc3tvb.references.tables import CRSIGMAS, rejection


@pytest.mark.parametrize("nsamp", range(2, 17))
def test_thresholds_shipped_are_those_of_the_files(nsamp: int, shared_data: Path) -> None:
    assert {
        name: rejection(shared_data / "references" / name, nsamp, 1402.9).threshold for name in ("u6a1748ri_crr.fits",)
    } == CRSIGMAS
