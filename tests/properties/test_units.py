"""One exposure in electrons, electrons per second, counts and counts per second: the same cube and the same curve.

The four files have the same light and, as calwf3 leaves them, reference pixels about 0 in every unit: a level there of
thousands would mean that the level of the read is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.helpers.small_archive import ima, primary_header
from tests.properties.draw import examples, read_times, seeds
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.instrument import BORDER
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import Measurement, ReadCube

ROOT, SIZE = "ibohbfb9q", 64
UNITS = ("ELECTRONS/S", "ELECTRONS", "COUNTS/S", "COUNTS")
GAINS = (2.34, 2.37, 2.31, 2.38)
#: Columns of numbers that follow from pixels, compared in units of the error of the rate.
RATES = ("rate", "cumulative_rate", "rate_ll", "rate_lr", "rate_ul", "rate_ur", "lr_diff")


def electrons(seed: int, times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the charge of every read: a sky that changes, its photon noise, and the noise of the read."""
    rng = np.random.default_rng(seed)
    collected = rng.uniform(0.1, 8.0, times.size) * np.diff(times, prepend=0)
    light = (times.size, SIZE - 2 * BORDER, SIZE - 2 * BORDER)
    photons = collected[:, None, None] + rng.normal(0, 1, light) * np.sqrt(collected)[:, None, None]
    charge = np.zeros((times.size, SIZE, SIZE))
    charge[:, BORDER:-BORDER, BORDER:-BORDER] = np.cumsum(photons, axis=0) + rng.normal(0, 15, light)
    return charge


def cube_in(
    unit: str, charge: NDArray[np.float64], times: NDArray[np.float64], gains: Sequence[float], folder: Path
) -> ReadCube:
    """Return the cube of the exposure, written in a unit."""
    header = primary_header(ROOT, None, 55800.0, times.size + 1, SIZE)
    header.update(dict(zip(("ATODGNA", "ATODGNB", "ATODGNC", "ATODGND"), gains, strict=True)))
    header["BLEVCORR"] = "COMPLETE"
    hdus = ima(header, SIZE, times.size + 1, sky=0.0)
    for k, time in enumerate(times):
        values = charge[k] / (np.mean(gains) if unit.startswith("COUNTS") else 1) / (time if "/" in unit else 1)
        plane = hdus["SCI", times.size - k]
        plane.data = values.astype(np.float32)
        plane.header.update({"BUNIT": unit, "SAMPTIME": time, "ROUTTIME": 55800.0 + time / 86400})
    path = folder / f"{ROOT}_ima.fits"
    hdus.writeto(path, overwrite=True)
    return read_ima(path)


def rows_of(measured: Measurement) -> list[dict[str, Any]]:
    exposure = {name: value for name, value in measured.exposure.items() if name != "bytes_read"}
    return [exposure, *measured.reads]


@examples(0.2)
@given(seeds, read_times(least=1, most=8))
def test_counts_and_rates_of_any_unit_are_the_same_cube(tmp_path: Path, seed: int, times: NDArray[np.float64]) -> None:
    """To the precision of float32, by which a pixel may change its bin or be clipped: a tenth of the error at most."""
    charge = electrons(seed, times)
    known, *others = (cube_in(unit, charge, times, GAINS, tmp_path) for unit in UNITS)
    reads = measure_cube(known).reads
    for cube in others:
        np.testing.assert_allclose(cube.rate, known.rate, rtol=3e-7, atol=1e-9)
        np.testing.assert_array_equal(cube.dq, known.dq)
        assert (cube.t.tolist(), cube.mjd.tolist()) == (known.t.tolist(), known.mjd.tolist())
        for found, expected in zip(measure_cube(cube).reads, reads, strict=True):
            assert expected["rate"] is not None
            for name in RATES:
                assert abs(found[name] - expected[name]) < 0.1 * expected["rate_err"], name


@examples(0.2)
@given(seeds, st.lists(st.integers(1, 9), min_size=1, max_size=6, unique=True))
def test_units_that_convert_without_rounding_give_the_same_measurement(
    tmp_path: Path, seed: int, powers: list[int]
) -> None:
    """Times and gain are powers of two, the charge is of float32: every column is the same to the last bit."""
    times = 2.0 ** np.sort(powers)
    charge = electrons(seed, times).astype(np.float32).astype(float)
    cubes = [cube_in(unit, charge, times, (2.0,) * 4, tmp_path) for unit in UNITS]
    known = rows_of(measure_cube(cubes[0]))
    for cube in cubes[1:]:
        np.testing.assert_array_equal(cube.rate, cubes[0].rate)
        assert rows_of(measure_cube(cube)) == known
