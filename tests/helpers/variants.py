"""An exposure's file as other programs write it: the same pixels, in another form."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

#: Makes the bytes of a file from those of the archive's.
Variant = Callable[[bytes], bytes]


def _rewritten(change: Callable[[fits.HDUList], fits.HDUList]) -> Variant:
    def variant(data: bytes) -> bytes:
        out = BytesIO()
        with fits.open(BytesIO(data), memmap=False) as hdus:
            change(hdus).writeto(out, output_verify="silentfix+ignore")
        return out.getvalue()

    return variant


def _planes(name: str, convert: Callable[[NDArray[Any]], NDArray[Any]]) -> Variant:
    def change(hdus: fits.HDUList) -> fits.HDUList:
        for hdu in hdus:
            if hdu.name == name and hdu.data is not None:
                hdu.data = convert(hdu.data)
        return hdus

    return _rewritten(change)


def _stored_as_integers(hdus: fits.HDUList) -> fits.HDUList:
    """Store SCI as 32-bit integers, with a BSCALE of 1e-6 electron/s."""
    for hdu in hdus:
        if hdu.name == "SCI":
            hdu.scale("int32", bscale=1e-6, bzero=0.0)
    return hdus


def _headers(change: Callable[[fits.ImageHDU], None]) -> Variant:
    def each(hdus: fits.HDUList) -> fits.HDUList:
        for hdu in hdus[1:]:
            change(hdu)
        return hdus

    return _rewritten(each)


def _extra() -> list[Any]:
    """Return an image, a cube, and a table with a heap, whose data are not whole blocks."""
    words = np.array([np.arange(n, dtype=np.int32) for n in (900, 3, 0)], object)
    table = fits.BinTableHDU.from_columns([fits.Column("ANY", "PJ()", array=words)], name="HEAP")
    image = fits.ImageHDU(np.ones((3, 700), np.int16), name="MASK")
    return [image, fits.ImageHDU(np.ones((2, 3, 701)), name="CUBE"), table]


def _without(name: str) -> Variant:
    return _rewritten(lambda hdus: fits.HDUList([hdu for hdu in hdus if hdu.name != name]))


def _primary_data(hdus: fits.HDUList) -> fits.HDUList:
    hdus[0].data = np.ones((7, 300), np.float32)
    return hdus


def _compressed(hdus: fits.HDUList) -> fits.HDUList:
    """Compress SCI and DQ in tiles without loss, as fpack does."""
    made = [hdus[0]]
    for hdu in hdus[1:]:
        lossless = {"compression_type": "GZIP_2", "quantize_level": 0}
        tiled = hdu.data is not None and hdu.name in ("SCI", "DQ")
        made.append(fits.CompImageHDU(hdu.data, hdu.header, **lossless) if tiled else hdu)
    return fits.HDUList(made)


def _cards(before: bytes, after: bytes) -> Variant:
    """Replace the beginning of cards."""
    return lambda data: data.replace(before, after.ljust(len(before)))


def _constant_flags(hdus: fits.HDUList) -> fits.HDUList:
    """Leave NPIX1 and NPIX2 out of the flags that are the same for all pixels."""
    return fits.HDUList(
        [
            fits.ImageHDU(header=fits.Header({"PIXVALUE": 64}), name="DQ", ver=hdu.ver) if hdu.name == "DQ" else hdu
            for hdu in hdus
        ]
    )


def _deep(hdu: fits.ImageHDU) -> None:
    if hdu.data is not None:
        hdu.data = hdu.data[None]


def _filled_with_nul(data: bytes) -> bytes:
    """Fill headers with NUL instead of blanks, after END and within cards."""
    at, out = 0, bytearray(data)
    while (at := data.find(b"END" + b" " * 77, at)) >= 0:
        stop = -(-(at + 80) // 2880) * 2880
        out[at + 3 : stop] = bytes(stop - at - 3)
        at = stop
    return bytes(out).replace(b"'SCI     '", b"'SCI\0\0\0\0\0'")


def _last_first(hdus: fits.HDUList) -> fits.HDUList:
    return fits.HDUList([hdus[0], *list(hdus)[:0:-1]])


def _accent(data: bytes) -> bytes:
    """Write an accented letter into the name of the target."""
    at = data.index(b"TARGNAME= '") + len("TARGNAME= '")
    return data[:at] + "É".encode("latin-1") + data[at + 1 :]


#: Variants whose pixels are those of the archive's file.
SAME: dict[str, Variant] = {
    "float64": _planes("SCI", lambda pixels: pixels.astype(float)),
    "scaled integers": _rewritten(_stored_as_integers),
    "flags of 32 bits": _planes("DQ", lambda flags: flags.astype(np.int32)),
    "flags of 64 bits": _planes("DQ", lambda flags: flags.astype(np.int64)),
    "unsigned flags": _planes("DQ", lambda flags: flags.astype(np.uint16)),
    "flags as floats": _planes("DQ", lambda flags: flags.astype(np.float32)),
    "one plane deep": _headers(_deep),
    "EXTNAME in lower case": lambda data: _cards(b"'DQ      '", b"'dq'")(_cards(b"'SCI     '", b"'sci     '")(data)),
    "EXTVER as a float": _cards(b"EXTVER  =                    2", b"EXTVER  =                  2.0"),
    "NSAMP as a float": _cards(b"NSAMP   =                   16", b"NSAMP   =                 16.0"),
    "extensions before": _rewritten(lambda hdus: fits.HDUList([hdus[0], *_extra(), *hdus[1:]])),
    "extensions after": _rewritten(lambda hdus: fits.HDUList([*hdus, *_extra()])),
    "extensions among": _rewritten(lambda hdus: fits.HDUList([*hdus[:7], *_extra(), *hdus[7:]])),
    "primary data": _rewritten(_primary_data),
    "first read first": _rewritten(_last_first),
    "no errors": _without("ERR"),
    "no samples": _without("SAMP"),
    "zero blocks": lambda data: data + bytes(3 * 2880),
    "a record after the end": lambda data: data + b"made by nobody".ljust(2880),
    "no padding at the end": lambda data: _rewritten(lambda hdus: fits.HDUList([*hdus, *_extra()]))(data)[:-2000],
    "NUL": _filled_with_nul,
    "tabs": lambda data: _cards(b"TARGNAME= ", b"TARGNAME=\t")(_cards(b" / ", b"\t/ ")(data)),
    "accents": _cards(b"COMMENT", "COMMÉNT".encode("latin-1")[:7]),
    "accents in values": _accent,
    "tiles": _rewritten(_compressed),
    "gzip": gzip.compress,
    "gzip of tiles": lambda data: gzip.compress(_rewritten(_compressed)(data)),
}
#: Variants without the flags of the archive's file.
NO_FLAGS: dict[str, Variant] = {"no flags": _without("DQ"), "constant flags": _rewritten(_constant_flags)}
