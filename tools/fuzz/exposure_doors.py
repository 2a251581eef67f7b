"""Doors for the files of an exposure: IMA, RAW, SPT, JIT, ASN, and headers alone."""

from __future__ import annotations

import gzip
import io
import itertools
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from tests.helpers import golden, small_archive
from tools.fuzz.judge import Door
from tools.fuzz.mutate_fits import BLOCK, mutate

from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.errors import TvbError
from wfc3tvb.fits.association import read_association
from wfc3tvb.fits.blocks import data_size, read_cards
from wfc3tvb.fits.cards import Cards
from wfc3tvb.fits.guiding import lock_lost
from wfc3tvb.fits.hdus import Extension, read_fits
from wfc3tvb.fits.ima import cube_of
from wfc3tvb.fits.ima_layout import walk
from wfc3tvb.fits.images import header_of, read_flt
from wfc3tvb.fits.observation_log import read_jitter
from wfc3tvb.fits.plane_headers import plane_header
from wfc3tvb.fits.support_file import read_orbit
from wfc3tvb.measurement import measure
from wfc3tvb.report.thumbnails import as_png, read_small

ROOT, SIZE = "ibohbfb9q", 40
_RECORDED = golden.HERE.parent
_CASE = "17_spars100_64_n2_edge"


class Slot:
    """A file into which one input after the other is written; its time tells them apart, as caches need it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._numbers = itertools.count(1)

    def put(self, data: bytes) -> Path:
        """Write an input, and return the path."""
        self.path.write_bytes(data)
        os.utime(self.path, (1e9, 1e9 + next(self._numbers)))
        return self.path


def written(hdus: fits.HDUList) -> bytes:
    """Return the bytes of a file."""
    file = io.BytesIO()
    hdus.writeto(file, output_verify="ignore")
    return file.getvalue()


def all_of(readers: Iterable[Callable[[], Any]]) -> None:
    """Call readers of one input; raise the first error of the package when all have refused it."""
    refused, n = [], 0
    for read in readers:
        n += 1
        try:
            read()
        except TvbError as error:
            refused.append(error)
    if len(refused) == n:
        raise refused[0]


def header(_: Path) -> Door:
    """Return the door for the header of one extension in memory, as the survey and as the engine read it."""
    path = Path("input")

    def survey(data: bytes) -> None:
        plane = plane_header(np.frombuffer(data, np.uint8), 0, path)
        _ = (plane.version, plane.shape, plane.scale, plane.unit, plane.next, plane.rows(0, 1))

    def engine(data: bytes) -> None:
        cards = Cards(read_cards(memoryview(data), 0, path).decode("latin-1"), path)
        data_size(cards, path, "input")
        extension = Extension(path, cards, memoryview(b""))
        _ = (extension.key, extension.shape, extension.scaling, extension.value, dict(cards))

    hdus = fits.HDUList.fromstring(written(_small_ima()))
    parts = [hdus["SCI", 1], hdus["DQ", 1], hdus["TIME", 1], fits.HDUList.fromstring(seeds_of_tables())[1]]
    seeds = tuple(part.header.tostring().encode() for part in parts)
    return Door(
        "header",
        "one header, in memory",
        seeds,
        mutate,
        lambda data: all_of((lambda: survey(data), lambda: engine(data))),
    )


def headers(_: Path) -> Door:
    """Return the door for all headers of an exposure in memory, with those of a real one."""
    path, constant = Path("input"), _constant_ima(2)

    def read(data: bytes) -> None:
        array = np.frombuffer(data, np.uint8)
        primary, planes = walk(array, path)
        cube_of(array, primary, planes, path, rows=1)

    real = fits.Header.fromstring(_recorded("ima/ibxy01z8q_ima.fits.gz")[: 40 * BLOCK].decode("latin-1"))
    real["NSAMP"], real["NEXTEND"] = 2, 10
    seeds = (written(constant), written(fits.HDUList([fits.PrimaryHDU(header=real), *constant[1:]])))
    return Door("headers", "all headers of an exposure, in memory", seeds, mutate, read)


def ima(folder: Path) -> Door:
    """Return the door for intermediate files, which are measured."""
    slot, packed = Slot(folder / f"{ROOT}_ima.fits"), BLOCK * 2
    plain = _small_ima()
    counts = _small_ima()
    for version in (1, 2, 3):
        counts["SCI", version].header["BUNIT"] = "COUNTS"
    tiled = fits.HDUList([plain[0].copy()])
    for hdu in plain[1:]:
        is_plane = hdu.name in ("SCI", "DQ")
        tiled.append(fits.CompImageHDU(hdu.data, hdu.header) if is_plane and hdu.data is not None else hdu.copy())
    files = [written(plain), written(counts), written(_constant_ima(3)), written(tiled)]
    seeds = (*files, *files[:1], gzip.compress(files[0], mtime=0)[:packed])
    return Door("ima", "IMA files: measured", seeds, mutate, lambda data: measure(slot.put(data), threads=1))


def raw(folder: Path) -> Door:
    """Return the door for raw files, which are calibrated by the native engine."""
    golden.unpack(golden.HERE / "iref", folder / "iref")
    golden.unpack(golden.HERE / _CASE, folder)
    (path,) = folder.glob("*_raw.fits")
    slot, out = Slot(path), folder / "products"

    def read(data: bytes) -> None:
        slot.put(data)
        calibrate(path, engine="native", iref=folder / "iref", overwrite=True, outdir=out, threads=1)

    return Door("raw", "RAW files: calibrated", (path.read_bytes(),), mutate, read)


def spt(folder: Path) -> Door:
    """Return the door for support files."""
    slot = Slot(folder / f"{ROOT}_spt.fits")
    small = written(fits.HDUList([small_archive.primary(small_archive.ORBIT | {"ROOTNAME": ROOT})]))
    seeds = (small, _recorded("ephemeris/jbz504eoq_spt.fits.gz"), gzip.compress(small, mtime=0))
    return Door("spt", "support files", seeds, mutate, lambda data: read_orbit(slot.put(data)))


def jit(folder: Path) -> Door:
    """Return the door for observation logs, as tables (JIT) and for their headers (JIF)."""
    slot, other = Slot(folder / f"{ROOT[:8]}j_jit.fits"), Slot(folder / f"{ROOT[:8]}j_jif.fits")
    names = ("Seconds", "LimbAng", "LOS_Zenith", "Latitude", "Longitude", "BrightLimb")
    columns = [fits.Column(name, "E", array=np.arange(9) * 3.0) for name in names]
    header = fits.Header({"EXPNAME": f"{ROOT[:8]}j", "STARTIME": "2013.006:18:23:01"})
    table = fits.BinTableHDU.from_columns(columns, header)
    log = fits.ImageHDU(header=fits.Header({"EXPNAME": f"{ROOT[:8]}j", "NLOSSES": 0, "GUIDEACT": "FINE LOCK"}))
    logged = small_archive.primary({"GUIDECMD": "FINE LOCK", "T_GSFAIL": False})
    seeds = (written(fits.HDUList([fits.PrimaryHDU(), table])), written(fits.HDUList([logged, log])))

    def read(data: bytes) -> None:
        lock_lost([other.put(data)], ROOT)
        read_jitter(slot.put(data), ROOT, 56298.7)

    return Door("jit", "observation logs (JIT, JIF)", seeds, mutate, read)


def flt(folder: Path) -> Door:
    """Return the door for calibrated images, which thumbnails and comparisons show."""
    slot = Slot(folder / f"{ROOT}_flt.fits")
    source = _small_ima()
    planes = [source["SCI", 1], source["ERR", 1], source["DQ", 1]]
    seed = written(fits.HDUList([source[0].copy(), *(plane.copy() for plane in planes)]))

    def read(data: bytes) -> None:
        path = slot.put(data)
        all_of((lambda: as_png(read_small(path)), lambda: read_flt(path), lambda: header_of(path)))

    return Door("flt", "calibrated images (FLT)", (seed, _recorded("headers/ib4606cpq_flt.fits.gz")), mutate, read)


def asn(folder: Path) -> Door:
    """Return the door for association tables."""
    slot = Slot(folder / "ibohbf040_asn.fits")
    seed = written(small_archive.association("ibohbf040", small_archive.DATASETS["ibohbf040"]))
    return Door("asn", "association tables", (seed,), mutate, lambda data: read_association(slot.put(data)))


def fits_files(folder: Path) -> Door:
    """Return the door for any FITS file, all of whose extensions are looked at as the engine does."""
    slot = Slot(folder / "any.fits")

    def read(data: bytes) -> None:
        for extension in read_fits(slot.put(data)):
            all_of((lambda e=extension: (e.key, e.pixels), lambda e=extension: (e.value, e.shape)))

    seeds = (written(_small_ima()), written(_constant_ima(2)), seeds_of_tables())
    return Door("fits", "extensions of any FITS file", seeds, mutate, read)


def seeds_of_tables() -> bytes:
    """Return a file with a table."""
    return written(small_archive.association("ibohbf040", small_archive.DATASETS["ibohbf040"]))


def _small_ima() -> fits.HDUList:
    hdus = small_archive.ima(small_archive.primary_header(ROOT, None, 55800.0, 3, SIZE), SIZE, 3, sky=0.5)
    for hdu in hdus[1:]:
        del hdu.header["FILL*"]
    return hdus


def _constant_ima(nsamp: int) -> fits.HDUList:
    """Return an intermediate file that has headers alone: all of its planes are constant."""
    hdus = fits.HDUList([small_archive.primary(small_archive.primary_header(ROOT, None, 55800.0, nsamp, SIZE))])
    for version in range(1, nsamp + 1):
        time = 100.0 * (nsamp - version)
        for name in ("SCI", "ERR", "DQ", "SAMP", "TIME"):
            keywords = {"NPIX1": SIZE, "NPIX2": SIZE, "PIXVALUE": 1.0, "SAMPTIME": time, "BUNIT": "ELECTRONS/S"}
            hdus.append(fits.ImageHDU(header=fits.Header(keywords), name=name, ver=version))
    return hdus


def _recorded(name: str) -> bytes:
    return gzip.decompress((_RECORDED / name).read_bytes())
