"""Intermediate files for benchmarks: laid out like the archive's, each with its own name, most of each a hole."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3tvb.identifiers import bucket_key

NSAMP = 16
#: Rows in the middle of every plane that are written; the others read as zeros and take no room on the disk.
WRITTEN = 100
#: What a support file says of the orbit.
ORBIT = {
    "EPCHTIME": 7.2e8, "SEMILREC": 6.93e6, "ECCENTRY": 2.5e-4, "SINEINCL": 0.4763, "COSINCLI": 0.8793,
    "MEANANOM": 1.0, "FDMEANAN": 1.743e-4, "SDMEANAN": 0.0, "ARGPERIG": 0.2, "RCARGPER": 1e-7, "RASCASCN": 0.3,
    "RCASCNRV": -1e-7,
} | {f"FILL{i:04d}": i for i in range(200)}  # fmt: skip


def make_files(folder: Path, n: int, *, size: int = 1024, like: Path | None = None) -> None:
    """Write `n` lone exposures that differ in their names; frames of up to 300 pixels are written whole.

    `like` is a full frame whose headers, SCI and DQ planes they have; without it they are of empty sky.
    """
    folder.mkdir(parents=True)
    first = folder / "frame.fits"
    if like is None:
        template("i0000000q", size).writeto(first)
    else:
        first.write_bytes(like.read_bytes())
        fits.setval(first, "ASN_ID", value="NONE")
    data, pieces = bytearray(first.read_bytes()), _pieces(first, size, whole=like is not None)
    first.unlink()
    at = data.index(b"ROOTNAME= '") + 11
    for i in range(n):
        root = f"i{i // 4:05d}{i % 4:02d}q"  # four to a visit
        data[at : at + 9] = root.encode()
        path = folder / bucket_key(root, "ima")
        path.parent.mkdir(parents=True)
        with path.open("wb") as file:
            os.truncate(file.fileno(), len(data))
            for start, stop in pieces:
                file.seek(start)
                file.write(data[start:stop])
        fits.PrimaryHDU(header=fits.Header(ORBIT)).writeto(folder / bucket_key(root, "spt"))


def _pieces(path: Path, size: int, *, whole: bool) -> list[tuple[int, int]]:
    """Return the ranges of headers, and of the middle rows of planes; or of all rows of SCI and DQ."""
    if size <= 300:
        return [(0, path.stat().st_size)]
    found = []
    with fits.open(path) as hdus:
        for hdu in hdus:
            info = hdu.fileinfo()
            row = abs(hdu.header["BITPIX"]) // 8 * size if hdu.header["NAXIS"] else 0
            n_rows = WRITTEN if not whole else size * (hdu.name in ("SCI", "DQ"))
            start = info["datLoc"] + (size - n_rows) // 2 * row
            found += [(info["hdrLoc"], info["datLoc"]), (start, start + n_rows * row)]
    return [piece for piece in found if piece[0] < piece[1]]


def template(root: str, size: int) -> fits.HDUList:
    """Return an intermediate file with a constant sky of 0.8 electron/s and read noise."""
    rng = np.random.default_rng(1)
    primary = fits.PrimaryHDU()
    primary.header.update({
        "EXTEND": True, "ROOTNAME": root, "INSTRUME": "WFC3", "DETECTOR": "IR", "OBSMODE": "MULTIACCUM",
        "FILTER": "F105W", "SAMP_SEQ": "SPARS100", "NSAMP": NSAMP, "NEXTEND": 5 * NSAMP, "ASN_ID": "NONE",
        "EXPSTART": 56000.0, "EXPEND": 56000.016, "EXPTIME": 1400.0, "DATE": "2020-01-01", "PROPOSID": 1,
        "ZOFFCORR": "COMPLETE", "SUBARRAY": size < 1024, "SUBTYPE": "FULLIMAG" if size == 1024 else f"SQ{size - 10}SUB",
    })  # fmt: skip
    primary.header.extend([("HISTORY", f"line {i}") for i in range(250)])
    hdus = fits.HDUList([primary])
    for version, read in enumerate(range(NSAMP - 1, -1, -1), 1):
        t = 100.0 * read
        noise = rng.normal(0.8, 15 / max(t, 1), (size, size)) if read else np.zeros((size, size))
        sci = fits.ImageHDU(noise.astype(np.float32), name="SCI", ver=version)
        sci.header.update({"SAMPTIME": t, "BUNIT": "ELECTRONS/S", "ROUTTIME": 56000.0 + t / 86400})
        err = fits.ImageHDU(np.ones((size, size), np.float32), name="ERR", ver=version)
        dq = fits.ImageHDU(np.zeros((size, size), np.int16), name="DQ", ver=version)
        for hdu, lines in ((sci, 85), (err, 40)):
            hdu.header.extend([("HISTORY", f"line {i}") for i in range(lines)])
        constant = {"NPIX1": size, "NPIX2": size, "PIXVALUE": t}
        planes = [fits.ImageHDU(header=fits.Header(constant), name=n, ver=version) for n in ("SAMP", "TIME")]
        hdus.extend([sci, err, dq, *planes])
    return hdus
