"""Satellite trails injected into exposures with stars and cosmic rays: found in their read, and nowhere else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers.generator import SPARS100, make_cube, sources
from wfc3tvb.curve.intervals import measure_curve
from wfc3tvb.curve.sky_mask import sky_mask
from wfc3tvb.curve.trails import grid_streak_score, read_streak_scores
from wfc3tvb.measurement import measure_cube
from wfc3tvb.models import ReadCube
from wfc3tvb.survey.rescore import rescore_rows


def exposed(seed: int, sky=0.6, size: int = 192) -> ReadCube:
    """Return an exposure with stars, galaxies and cosmic rays: 0.1 % of the pixels in 100 s, in tracks of 1 to 6."""
    rng = np.random.default_rng(seed)
    cube = make_cube(sky, size=size, seed=seed, scene=sources(size, 8, 20, rng))
    charge = np.zeros(cube.rate.shape)
    for i in range(1, cube.t.size):
        for _ in range(rng.poisson(size**2 / 3000)):
            x, y, angle = rng.uniform(0, size, 2).tolist() + [rng.uniform(0, np.pi)]
            for k in range(rng.integers(1, 7)):
                row, column = int(y + k * np.sin(angle)), int(x + k * np.cos(angle))
                if 0 <= row < size and 0 <= column < size:
                    charge[i:, row, column] += 800
    return replace(cube, rate=(cube.rate + charge / cube.t[:, None, None]).astype(np.float32))


def crossed(cube: ReadCube, read: int, angle: float, electrons: float, length: float = 1.0) -> ReadCube:
    """Return the exposure with a trail across the middle of the frame, in one read, over part of the frame."""
    size = cube.shape[0]
    y, x = np.mgrid[:size, :size] - size / 2
    along, across = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
    image = electrons * np.exp(-0.5 * (across / 1.8) ** 2) * (np.abs(along) < length * size / 2)
    rate = cube.rate.copy()
    rate[read - 1 :] += (image / cube.t[read - 1 :, None, None]).astype(np.float32)
    return replace(cube, rate=rate)


def found(cube: ReadCube) -> list[int]:
    curve = measure_curve(cube, sky_mask(cube.rate[-1], cube.dq[0]).skip)
    return (np.flatnonzero(read_streak_scores(cube, curve)) + 1).tolist()


@pytest.mark.parametrize("seed", range(6))
def test_trails_are_found_in_their_read(seed: int) -> None:
    rng = np.random.default_rng(100 + seed)
    read = int(rng.integers(2, 16))
    cube = crossed(exposed(seed), read, rng.uniform(0, np.pi), rng.uniform(600, 5000), rng.uniform(0.4, 1.5))
    assert found(cube) == [read]


@pytest.mark.parametrize("seed", range(6))
def test_no_trail_where_there_is_none(seed: int) -> None:
    """Cosmic rays, stars, and a sky that rises fourfold."""
    assert found(exposed(seed, np.linspace(0.5, 2.0, 15))) == []


def test_a_band_of_rows_is_enough() -> None:
    cube = crossed(exposed(7), 5, 1.2, 2000)
    rows = slice(56, 136)
    assert found(replace(cube, rate=cube.rate[:, rows], dq=cube.dq[:, rows], rows=cube.rows[rows])) == [5]


def test_verdict_on_a_crossed_exposure() -> None:
    measured = measure_cube(crossed(exposed(3), 6, 0.5, 2500))
    row = measured.exposure
    assert row["affected_reads"] == [6]
    assert rescore_rows(row, measured.reads) == row
    assert "trail" in row["quality_flags"]
    assert (row["tvb_class"], row["tvb_kind"]) == ("none", "trail")
    assert row["prob_trail"] > 0.8
    assert row["recommend"] == "none"
    quiet = measure_cube(exposed(3)).exposure
    assert "trail" not in quiet["quality_flags"]
    assert quiet["tvb_kind"] is None


def test_big_endian_reads_are_the_same() -> None:
    cube = crossed(exposed(2), 9, 2.0, 1500)
    assert found(replace(cube, rate=cube.rate.astype(">f4"), dq=cube.dq.astype(">i2"))) == [9]


def test_what_is_no_streak() -> None:
    grid = np.zeros((100, 100), np.uint8)
    assert grid_streak_score(grid) == 0
    grid[40:60, 40:60] = 1  # a blob
    assert grid_streak_score(grid) == 0
    rng = np.random.default_rng(1)
    for share in (0.01, 0.03, 0.1, 0.14):
        assert grid_streak_score((rng.random((250, 250)) < share).astype(np.uint8)) == 0
    grid[:] = 1
    assert grid_streak_score(grid) == 0


def test_few_reads_and_nothing_measured() -> None:
    cube = make_cube(0.6, SPARS100[:2], size=64)
    assert found(cube) == []
    assert found(replace(cube, rate=np.full_like(cube.rate, np.nan))) == []


@pytest.mark.parametrize("flagged", [True, False])
def test_saturated_stars_of_a_dense_field_are_no_trail(flagged: bool) -> None:
    """They fill up in the first reads, so that they seem to shine in these alone; here 300 of them, by a line of 60."""
    rng = np.random.default_rng(4)
    scene = np.zeros((192, 192))
    scene[tuple(rng.integers(0, 192, (2, 300)))] = 4000.0
    scene[np.arange(40, 100), np.arange(20, 80)] = 4000.0
    cube = make_cube(0.6, size=192, scene=scene)
    total = cube.rate * cube.t[:, None, None]
    full = total > 80_000
    dq = np.where(full & flagged, 256, 0).astype(np.int16)
    saturated = replace(cube, rate=(np.minimum(total, 80_000) / cube.t[:, None, None]).astype(np.float32), dq=dq)
    assert full[-1].sum() > 350
    assert found(saturated) == []
    assert found(crossed(saturated, 6, 0.5, 2500)) == [6]
