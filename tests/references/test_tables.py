"""Thresholds of the published tables of cosmic-ray rejection."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers import recorded
from wfc3tvb.references.tables import CRSIGMAS, rejection


@pytest.mark.parametrize("nsamp", range(2, 17))
def test_thresholds_shipped_are_those_of_the_files(nsamp: int, tmp_path: Path) -> None:
    path = recorded.unpack("references/u6a1748ri_crr.fits", tmp_path)
    assert {path.name: rejection(path, nsamp, 1402.9).threshold} == CRSIGMAS
