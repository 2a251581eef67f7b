"""Write IMA and FLT files as calwf3 does (WFC3 Data Handbook 2.2), with this package named in CAL_VER and ORIGIN."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from wfc3tvb import __version__
from wfc3tvb.calibration.model import Calibrated, Switches
from wfc3tvb.engines.raw_reads import PLANES, Imsets
from wfc3tvb.fits.blocks import CARD, whole_blocks
from wfc3tvb.fits.cards import Cards, card, comment_of, header_bytes, history, keyword_of
from wfc3tvb.fits.hdus import Piece, Pixels, write_pieces
from wfc3tvb.references.locate import Loaded, ReferenceFile


@dataclass(frozen=True)
class Plane:
    """Place of a plane in an IMA: number of the read, number of the plane in `KINDS`, type of the pixels, frame."""

    read: int
    number: int
    kind: str
    shape: tuple[int, int]

    @property
    def size(self) -> int:
        """Bytes of the data, padding included."""
        return whole_blocks(prod(self.shape) * np.dtype(self.kind).itemsize)


def photfnu(photflam: float, photplam: float) -> float:
    """Return PHOTFNU [Jy s / electron]: ``3.33564e4 PHOTFLAM PHOTPLAM**2`` (PHOTCORR).

    Parameters
    ----------
    photflam : float
        Inverse sensitivity [erg / cm2 / Angstrom / electron].
    photplam : float
        Pivot wavelength [Angstrom].
    """
    return float(np.float32(3.33564e4 * photflam * photplam * photplam))


def photmode(filter_name: str, expstart: float) -> str:
    """Return PHOTMODE, e.g. ``WFC3 IR F105W MJD#56298.7835``.

    Parameters
    ----------
    filter_name : str
        FILTER.
    expstart : float
        EXPSTART [MJD].
    """
    return f"WFC3 IR {filter_name} MJD#{expstart:.4f}"


#: Version of calwf3 whose results the native engine reproduces, and the value of CAL_VER that says so.
CALWF3_VERSION = "3.7.3"
CAL_VER = f"wfc3tvb {__version__} (=calwf3 {CALWF3_VERSION})"
_ORIGIN = f"wfc3tvb {__version__}"
_STRUCTURE = {
    "XTENSION", "SIMPLE", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "GCOUNT", "BSCALE", "BZERO", "DATAMIN",
    "DATAMAX", "ORIGIN", "DATE", "NPIX1", "NPIX2", "PIXVALUE", "EXTEND", "GROUPS", "DATATYPE",
}  # fmt: skip
#: Other keywords of the structure, which calwf3 drops, too.
_NUMBERED = re.compile(r"NAXIS\d|(?:PDTYPE|PTYPE)\d|PSIZE\d?")
#: Comments that cfitsio writes into every primary header.
_BOILERPLATE = (
    "COMMENT   FITS (Flexible Image Transport System) format is defined in 'Astronomy".ljust(CARD),
    "COMMENT   and Astrophysics', volume 376, page 359; bibcode: 2001A&A...376..359H".ljust(CARD),
)
#: Planes of a read that the calibration makes, and the types of their stored pixels.
KINDS = {"SCI": ">f4", "ERR": ">f4", "DQ": ">i2"}
_WITH_FILE = (
    ("nlincorr", "image", "NLINFILE"), ("darkcorr", "image", "DARKFILE"), ("photcorr", "table", "IMPHTTAB"),
)  # fmt: skip


def primary_header(source: Imsets, loaded: Loaded, done: Switches) -> Cards:
    """Return the primary header of the products, without FILENAME and NEXTEND.

    Parameters
    ----------
    source : Imsets
        The exposure.
    loaded : Loaded
        Its references.
    done : Switches
        The steps that were done.
    """
    header = source.primary.copy()
    header["CAL_VER"] = CAL_VER
    for amplifier, gain, noise in zip(
        "ABCD", loaded.data.amplifiers.gain, loaded.data.amplifiers.readnoise, strict=True
    ):
        header[f"ATODGN{amplifier}"], header[f"READNSE{amplifier}"] = _printed(gain), _printed(noise)
    for name in Switches.__dataclass_fields__:
        if getattr(done, name):
            header[name.upper()] = "COMPLETE"
        elif name in loaded.skipped:
            header[name.upper()] = "SKIPPED"
    header["PHOTMODE"] = photmode(str(header["FILTER"]).strip(), float(header["EXPSTART"]))
    if done.photcorr and (found := loaded.data.photometry) is not None:
        header["PHOTFLAM"], header["PHOTZPT"] = _printed(found.photflam), _printed(found.photzpt)
        header["PHOTPLAM"], header["PHOTBW"] = _printed(found.photplam), _printed(found.photbw)
        header["PHOTFNU"] = _printed(photfnu(found.photflam, found.photplam))
    return header


def ima_pieces(
    name: str, source: Imsets, calibrated: Calibrated, primary: Cards, history: Iterable[str]
) -> list[Piece | Plane]:
    """Return an IMA's headers and pixels, the last read first, reference pixels included.

    Parameters
    ----------
    name : str
        Name of the file.
    source : Imsets
        The exposure, whose headers are copied.
    calibrated : Calibrated
        The result.
    primary : Cards
        See `primary_header`.
    history : iterable of str
        See `history_lines`.

    Returns
    -------
    list
        Bytes of headers; `Pixels` of SAMP; `Plane` for the pixels of reads, which are written band by band. ERR and DQ
        that have one value everywhere are stored in the header.
    """
    ramp, n, corners = calibrated.ramp, calibrated.ramp.n, calibrated.corners
    pieces: list[Piece | Plane] = [ima_primary(name, source, primary, history)]
    for k in reversed(range(n)):
        keywords = _keywords(calibrated, k, calibrated.statistics[k])
        for i, (plane, kind) in enumerate(KINDS.items()):
            header, in_header = source.headers[k][plane], plane != "SCI" and bool(calibrated.constant[i][k])
            changes = keywords.get(plane, {})
            pieces.append(_extension_header(header, kind, ramp.shape, corners[i][k], changes, constant=in_header))
            pieces += [] if in_header else [Plane(k, i, kind, ramp.shape)]
        for plane, value in (("SAMP", source.samp[k]), ("TIME", ramp.time[k])):
            corner = value[0, 0] if np.ndim(value) else value
            pieces += _extension(source.headers[k][plane], value, corner, ramp.shape, {})
    return pieces


def ima_primary(name: str, source: Imsets, primary: Cards, history: Iterable[str]) -> bytes:
    """Return the primary header of an IMA; the parameters are those of `ima_pieces`."""
    return _primary(primary, name, 5 * source.ramp.n, history)


def write_flt(
    path: Path, source: Imsets, calibrated: Calibrated, primary: Cards, history: Iterable[str], *, fitted: bool
) -> None:
    """Write the image, reference pixels trimmed.

    Parameters
    ----------
    path, source, calibrated, primary, history
        See `ima_pieces`.
    fitted : bool
        True if the image is a fit of the ramp; otherwise it is the last read.
    """
    image, ramp, last, light = calibrated.image, calibrated.ramp, calibrated.ramp.n - 1, calibrated.light
    samp = image.samp if fitted else source.samp[last]
    if np.ndim(samp) and not fitted:
        samp = samp[light.y0 : light.y1, light.x0 : light.x1]
    time = image.time if fitted else ramp.time[last]
    # calwf3 compares a plane with the pixel in its corner, before the trim, to see whether all are the same.
    err = 0 if fitted else calibrated.corners.err[last]
    corners = (0, err, calibrated.corners.dq[last], np.ravel(source.samp[last])[0], ramp.time[last])
    keywords = _keywords(calibrated, last, calibrated.image_statistics)
    pieces: list[Piece] = [_primary(primary, path.name, 5, history)]
    planes = image.sci, image.err, image.dq, samp, time
    for name, plane, corner in zip(PLANES, planes, corners, strict=True):
        changes = _trimmed(source.headers[last][name], (light.x0, light.y0)) | keywords.get(name, {})
        pieces += _extension(source.headers[last][name], plane, corner, image.sci.shape, changes)
    write_pieces(path, pieces)


def history_lines(loaded: Loaded, done: Switches, *, image: bool) -> Iterable[str]:
    """Yield the HISTORY lines of a product, step by step.

    Parameters
    ----------
    loaded : Loaded
        The references.
    done : Switches
        The steps that were done.
    image : bool
        True for the fitted image, whose HISTORY names UNITCORR twice.
    """
    files, skipped = loaded.files, loaded.skipped
    yield "CCD parameters table:"
    yield from _file_lines("table", files["CCDTAB"])
    if done.dqicorr or "dqicorr" in skipped:
        yield from (_heading("DQICORR", skipped), "  DQ array initialized ...", *_file_lines("table", files["BPIXTAB"]))
    if done.zsigcorr:
        yield "ZSIGCORR complete."
    if done.blevcorr:
        yield from ("BLEVCORR complete.", "  Overscan region table:", *_file_lines("table", files["OSCNTAB"]))
    if done.zoffcorr:
        yield "ZOFFCORR complete."
    yield "Uncertainty array initialized."
    for step, kind, keyword in _WITH_FILE:
        if getattr(done, step) or step in skipped:
            yield from (_heading(step.upper(), skipped), *_file_lines(kind, files[keyword]))
    if done.unitcorr:
        yield "UNITCORR complete."
    if done.crcorr:
        yield "CRCORR complete."
    if image and done.unitcorr and done.crcorr:
        yield "UNITCORR complete."
    if done.flatcorr or "flatcorr" in skipped:
        yield _heading("FLATCORR", skipped)
        for keyword in ("PFLTFILE", "DFLTFILE", "LFLTFILE"):
            if keyword in files:
                yield from _file_lines("image", files[keyword])


def _heading(step: str, skipped: frozenset[str]) -> str:
    return f"{step} skipped due to dummy reference file ..." if step.lower() in skipped else f"{step} complete ..."


def _file_lines(kind: str, file: ReferenceFile) -> Iterable[str]:
    yield f"  reference {kind} {file.name}"
    for text in (file.pedigree, file.described, file.row_described):
        if text:
            yield f"    {text}"


def _keywords(calibrated: Calibrated, k: int, statistics: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the keywords to set in the headers of a read, or of the image, by plane."""
    unit = {"BUNIT": calibrated.ramp.unit}
    sci = {name: _printed(value) for name, value in statistics["SCI"].items()}
    if calibrated.bias_levels:
        sci["MEANBLEV"] = _printed(calibrated.bias_levels[k])
    if calibrated.mean_dark:
        sci["MEANDARK"] = _printed(calibrated.mean_dark[k])
    return {"SCI": unit | sci, "ERR": unit | {name: _printed(v) for name, v in statistics["ERR"].items()}}


def _trimmed(header: Cards, trim: tuple[int, int]) -> dict[str, Any]:
    """Return the coordinate keywords of a plane without its reference pixels."""
    names = (("CRPIX1", 0), ("CRPIX2", 1), ("LTV1", 0), ("LTV2", 1))
    return {name: float(header.number(name)) - trim[axis] for name, axis in names if name in header}


def _printed(value: Any) -> Any:
    """Return a number with the 8 digits that calwf3 prints; None (an empty value) for NaN, which FITS lacks."""
    if isinstance(value, int):
        return value
    return float(f"{float(np.float32(value)):.7E}") if np.isfinite(value) else None


def _primary(header: Cards, name: str, n_extensions: int, lines: Iterable[str]) -> bytes:
    structure = {"SIMPLE": True, "BITPIX": 16, "NAXIS": 0, "EXTEND": True}
    changes = {"ORIGIN": _ORIGIN, "DATE": _today(), "FILENAME": name, "NEXTEND": n_extensions}
    return _header(structure, header, changes, map(history, lines), comments=_BOILERPLATE)


def _extension(
    header: Cards, plane: Any, corner: Any, shape: tuple[int, int], changes: Mapping[str, Any]
) -> Iterator[Piece]:
    """Yield header and pixels of an extension; constant planes (except SCI) are stored in the header only."""
    name = _name(header)
    kind = ">f4" if name in ("SCI", "ERR", "TIME") else ">i2"
    constant = not np.ndim(plane) or (name != "SCI" and plane[-1, -1] == corner and bool(np.all(plane == corner)))
    yield _extension_header(header, kind, shape, corner, changes, constant=constant)
    if not constant:
        yield Pixels(plane, kind)


def _extension_header(
    header: Cards, kind: str, shape: tuple[int, int], value: Any, changes: Mapping[str, Any], *, constant: bool
) -> bytes:
    """Return the header of an extension; if it is constant, `value` is stored in it."""
    structure, name = _structure(kind, shape, value, constant=constant), _name(header)
    upper = {} if header["EXTNAME"] == name else {"EXTNAME": name}
    return _header(structure, header, {"DATE": _today(), **upper, **changes})


def _name(header: Cards) -> str:
    return str(header["EXTNAME"]).strip().upper()


def _structure(kind: str, shape: tuple[int, int], value: Any, *, constant: bool) -> dict[str, Any]:
    """Return the keywords that describe type and size of an extension."""
    if constant:
        value = _printed(value) if kind == ">f4" else int(value)
        size = {"NAXIS": 0, "PCOUNT": 0, "GCOUNT": 1, "NPIX1": shape[1], "NPIX2": shape[0], "PIXVALUE": value}
    else:
        size = {"NAXIS": 2, "NAXIS1": shape[1], "NAXIS2": shape[0], "PCOUNT": 0, "GCOUNT": 1}
    return {"XTENSION": "IMAGE", "BITPIX": -32 if kind == ">f4" else 16, **size, "ORIGIN": _ORIGIN}


def _header(
    structure: Mapping[str, Any],
    header: Cards,
    changes: Mapping[str, Any],
    more: Iterable[str] = (),
    comments: Sequence[str] = (),
) -> bytes:
    """Return a header's bytes: structure and comments, then the source's other cards, unchanged or with a new value."""
    cards, left = [*(card(*item) for item in structure.items()), *comments], dict(changes)
    for text in header.cards:
        keyword = keyword_of(text)
        if keyword in left:
            cards.append(card(keyword, left.pop(keyword), comment_of(text)))
        elif keyword not in _STRUCTURE and not _NUMBERED.fullmatch(keyword) and text not in comments:
            cards.append(text)
    cards += [card(*item) for item in left.items()]
    return header_bytes([*cards, *more])


def _today() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d")
