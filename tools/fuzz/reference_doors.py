"""Doors for reference files: tables and images, each read as every kind of table or image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from tests.helpers import golden
from tools.fuzz.exposure_doors import Slot, all_of, written
from tools.fuzz.judge import Door
from tools.fuzz.mutate_fits import mutate

from wfc3tvb.references import images, tables

#: Frame of the images, and the exposure for which the tables are read.
_SHAPE = (16, 16)
_FRAME, _GAIN, _FILTER, _START, _TIME = (74, 74), 2.5, "F105W", 56298.7, 100.0
_TABLES = ("ccd", "osc", "bpx", "crr", "imp")


def table(folder: Path) -> Door:
    """Return the door for reference tables."""
    golden.unpack(golden.HERE / "iref", folder / "iref")
    slot = Slot(folder / "table.fits")
    seeds = [next((folder / "iref").glob(f"*_{name}.fits")).read_bytes() for name in _TABLES]
    readers: tuple[Callable[[Path], Any], ...] = (
        lambda path: tables.amplifiers(path, _GAIN),
        lambda path: tables.overscan(path, _FRAME),
        lambda path: tables.bad_pixels(path, _FRAME, (5.0, 5.0), _GAIN),
        lambda path: tables.rejection(path, 4, _TIME),
        lambda path: tables.photometry(path, _FILTER, _START),
    )

    def read(data: bytes) -> None:
        path = slot.put(data)
        all_of([lambda each=each: each(path) for each in readers])

    return Door("table", "reference tables (CCDTAB, OSCNTAB, BPIXTAB, CRREJTAB, IMPHTTAB)", tuple(seeds), mutate, read)


def image(folder: Path) -> Door:
    """Return the door for reference images."""
    slot = Slot(folder / "image.fits")
    readers: tuple[Callable[[Path], Any], ...] = (
        lambda path: images.read_dark(path, "SPARS100", "FULLIMAG", [0.0, _TIME], shape=_SHAPE),
        lambda path: images.read_linearity(path, _SHAPE, (0, 0)),
        lambda path: images.read_flat([("PFLTFILE", path), ("LFLTFILE", path)], _SHAPE, (0, 0)),
    )

    def read(data: bytes) -> None:
        path = slot.put(data)
        all_of([lambda each=each: each(path) for each in readers])

    seeds = (
        _file({"SAMP_SEQ": "SPARS100", "SUBTYPE": "FULLIMAG", "NUMEXPOS": 2, "EXPOS_1": 0.0, "EXPOS_2": _TIME},
              [(name, version) for version in (1, 2) for name in ("SCI", "ERR", "DQ")]),
        _file({"NCOEF": 3}, [("COEF", 1), ("COEF", 2), ("COEF", 3), ("NODE", 1), ("ZSCI", 1), ("ZERR", 1), ("DQ", 1)]),
        _file({"FILTER": "F105W"}, [("SCI", 1), ("ERR", 1), ("DQ", 1)]),
    )  # fmt: skip
    return Door("image", "reference images (DARKFILE, NLINFILE, PFLTFILE)", seeds, mutate, read)


def _file(keywords: dict[str, Any], planes: list[tuple[str, int]]) -> bytes:
    """Return a reference file with small planes, the last of them constant."""
    hdus = fits.HDUList([fits.PrimaryHDU(header=fits.Header({"DETECTOR": "IR"} | keywords))])
    for name, version in planes:
        pixels = np.ones(_SHAPE, np.int16 if name in ("DQ", "NODE") else np.float32)
        hdus.append(fits.ImageHDU(pixels, fits.Header({"LTV1": 0.0, "LTV2": 0.0}), name=name, ver=version))
    last = fits.Header({"NPIX1": _SHAPE[1], "NPIX2": _SHAPE[0], "PIXVALUE": 0})
    hdus[-1] = fits.ImageHDU(header=last, name=planes[-1][0], ver=planes[-1][1])
    return written(hdus)
