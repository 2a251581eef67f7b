"""An exposure of any layout: the cube from byte ranges, or from any band of rows, is that of the whole file."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.small_archive import ima, primary_header
from tests.properties.draw import examples
from wfc3tvb.archive import costs
from wfc3tvb.archive.byte_ranges import read_cube
from wfc3tvb.config import MeasureSettings
from wfc3tvb.fits.ima import read_ima
from wfc3tvb.models import ReadCube

ROOT = "ibohbfb9q"


@dataclass
class Memory:
    """Archive of one file in memory."""

    data: bytes

    def ranges(self, rootname: str, suffix: str, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        return [self.data[start:stop] for start, stop in ranges]

    def download(self, rootname: str, suffix: str, folder: Path) -> Path:
        path = folder / f"{rootname}_{suffix}.fits"
        path.write_bytes(self.data)
        return path


@pytest.fixture(autouse=True)
def _no_file_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(costs, "_SMALL", 0)


@st.composite
def files(draw: st.DrawFn) -> fits.HDUList:
    """Draw an exposure: its size, reads, lengths of its headers, planes that are constant or stored, its unit."""
    size, nsamp = draw(st.integers(40, 96)), draw(st.integers(2, 5))
    every = set(range(1, nsamp + 1))
    hdus = ima(primary_header(ROOT, None, 55800.0, nsamp, size), size, nsamp, sky=0.5)
    hdus[0].header.extend([("HISTORY", f"line {i}") for i in range(draw(st.integers(0, 300)))])
    name = draw(st.sampled_from(["SCI", "ERR", "DQ", "SAMP", "TIME"]))
    cards = draw(st.integers(0, 120))
    for version in draw(st.sets(st.sampled_from(sorted(every))) | st.just(every)):
        hdus[name, version].header.update({f"MORE{i}": i for i in range(cards)})
    for plane in draw(st.sets(st.sampled_from(["SAMP", "TIME"]))):
        for version in draw(st.sampled_from([{1}, every])):
            stored = fits.ImageHDU(np.full((size, size), 3, np.int16), name=plane, ver=version)
            hdus[hdus.index_of((plane, version))] = stored
    return hdus


def data_of(hdus: fits.HDUList) -> bytes:
    out = io.BytesIO()
    hdus.writeto(out)
    return out.getvalue()


def written(hdus: fits.HDUList, folder: Path) -> Path:
    path = folder / f"{ROOT}_ima.fits"
    path.write_bytes(data_of(hdus))
    return path


def assert_same(a: ReadCube, b: ReadCube, rows: Any = slice(None)) -> None:
    for name in ("t", "mjd"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)
    np.testing.assert_array_equal(a.rate, b.rate[:, rows])
    np.testing.assert_array_equal(a.dq, b.dq[:, rows])
    np.testing.assert_array_equal(a.rows, b.rows[rows])
    assert (dict(a.header), a.shape, a.raw_shape) == (dict(b.header), b.shape, b.raw_shape)


@examples(0.2)
@given(files(), st.integers(1, 40))
def test_ranges_give_the_cube_of_the_whole_file(tmp_path: Path, hdus: fits.HDUList, rows: int) -> None:
    path = written(hdus, tmp_path)
    cube = read_cube(Memory(path.read_bytes()), ROOT, MeasureSettings(rows=rows))  # type: ignore[arg-type]
    # Where ranges save nothing, the whole frame may be returned.
    assert_same(cube, read_ima(path, rows=cube.rows.size))
    assert cube.rows.size >= min(rows, cube.shape[0])


@examples(0.2)
@given(files(), st.integers(1, 100))
def test_a_band_is_the_middle_of_the_whole_frame(tmp_path: Path, hdus: fits.HDUList, rows: int) -> None:
    path = written(hdus, tmp_path)
    band = read_ima(path, rows=rows)
    assert_same(band, read_ima(path), band.rows)


@examples(0.2)
@given(files())
def test_reads_come_in_the_order_of_time(tmp_path: Path, hdus: fits.HDUList) -> None:
    """The file has the last read first; EXTVER 1 is the last."""
    nsamp = hdus[0].header["NSAMP"]
    cube = read_ima(written(hdus, tmp_path))
    assert cube.t.tolist() == [100.0 * k for k in range(1, nsamp)]
    for k in range(nsamp - 1):
        np.testing.assert_array_equal(cube.rate[k], hdus["SCI", nsamp - 1 - k].data[5:-5, 5:-5])
