"""Files of others, opened with astropy: sizes at which it hangs, and whatever it raises, end in one line."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.errors import BadFileError, NotFitsError
from wfc3tvb.fits.guiding import lock_lost
from wfc3tvb.fits.images import header_of
from wfc3tvb.fits.opened import opened, untiled
from wfc3tvb.report.thumbnails import as_png, read_small

HUGE = b"999999999"


@pytest.fixture
def tiled(tmp_path: Path) -> Path:
    path = tmp_path / "tiled.fits"
    pixels = np.arange(1600, dtype=np.float32).reshape(40, 40)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, name="SCI")]).writeto(path)
    return path


def edited(path: Path, keyword: bytes, before: bytes, after: bytes) -> bytes:
    card = keyword.ljust(8) + b"= "
    data = path.read_bytes()
    assert card + before.rjust(20) in data
    return data.replace(card + before.rjust(20), card + after.rjust(20))


@pytest.mark.parametrize("packed", [False, True])
def test_pixels_are_astropys(tiled: Path, packed: bool) -> None:
    if packed:
        tiled.write_bytes(gzip.compress(tiled.read_bytes()))
    with opened(tiled, "an image") as hdus:
        np.testing.assert_array_equal(hdus["SCI", 1].data, np.arange(1600).reshape(40, 40))


@pytest.mark.parametrize(
    ("keyword", "before", "after"),
    [(b"ZNAXIS", b"2", HUGE), (b"ZNAXIS1", b"40", HUGE), (b"ZNAXIS2", b"40", b"-40"), (b"ZNAXIS", b"2", b"1"),
     (b"ZTILE1", b"40", b"9" * 19), (b"ZTILE1", b"40", b"300000000"), (b"ZTILE2", b"1", b"-1"), (b"ZBITPIX", b"-32",
     b"5"), (b"ZNAXIS1", b"40", b"T")],
)  # fmt: skip
def test_tiles_that_are_described_wrongly(tiled: Path, keyword: bytes, before: bytes, after: bytes) -> None:
    data = edited(tiled, keyword, before, after)
    began = time.perf_counter()
    with pytest.raises(BadFileError) as raised:
        untiled(np.frombuffer(data, np.uint8), tiled)
    assert time.perf_counter() - began < 1
    assert "\n" not in str(raised.value)


def test_numbers_of_axes_at_which_astropy_hangs(tmp_path: Path) -> None:
    path = tmp_path / "ibohbfb9j_jif.fits"
    header = fits.Header({"EXPNAME": "ibohbfb9j", "NLOSSES": 1})
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((4, 4), np.int32), header)]).writeto(path)
    assert lock_lost([path], "ibohbfb9q")
    path.write_bytes(edited(path, b"NAXIS", b"2", HUGE))
    began = time.perf_counter()
    assert not lock_lost([path], "ibohbfb9q")
    with pytest.raises(NotFitsError, match="NAXIS 999999999"):
        read_small(path)
    assert header_of(path)["NAXIS"] == 0  # which reads no further
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize("shape", [(0, 5), (1, 3000)])
def test_images_too_small_for_a_thumbnail(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = tmp_path / "small_flt.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros(shape, np.float32), name="SCI")]).writeto(path)
    with pytest.raises(NotFitsError, match="pixels"):
        as_png(read_small(path))


def test_a_primary_header_is_that_of_astropy(tiled: Path, tmp_path: Path) -> None:
    with fits.open(tiled) as hdus:
        cards = [str(card) for card in hdus[0].header.cards]
    packed = tmp_path / f"{tiled.name}.gz"
    packed.write_bytes(gzip.compress(tiled.read_bytes()))
    for path in (tiled, packed):
        assert [str(card) for card in header_of(path).cards] == cards


@pytest.mark.parametrize("content", [b"", b"SIMPLE", b"no FITS file at all".ljust(5760), b"SIMPLE  =    T".ljust(2880)])
def test_files_without_a_primary_header(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad_flt.fits"
    path.write_bytes(content)
    with pytest.raises(NotFitsError, match=r"bad_flt\.fits"):
        header_of(path)
    with pytest.raises(NotFitsError, match=r"none_flt\.fits"):
        header_of(tmp_path / "none_flt.fits")
