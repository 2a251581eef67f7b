"""Find, check and load the reference files of an exposure (rules of calwf3; its documentation, "IR pipeline")."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from wfc3tvb.calibration.model import Amplifiers, Overscan, Photometry, Ramp, ReferenceData, Switches
from wfc3tvb.errors import BadFileError, MissingReferenceError, UnsuitableReferenceError
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.hdus import read_header
from wfc3tvb.references import images, tables

Header = Mapping[str, Any]

#: Beginning of FILETYPE in each reference file.
_FILETYPES = {
    "CCDTAB": "CCD PARAMETERS", "OSCNTAB": "OVERSCAN", "BPIXTAB": "BAD PIXELS", "DARKFILE": "DARK",
    "NLINFILE": "LINEARITY COEFFICIENTS", "PFLTFILE": "PIXEL-TO-PIXEL FLAT", "DFLTFILE": "DELTA FLAT",
    "LFLTFILE": "LARGE SCALE FLAT", "CRREJTAB": "COSMIC RAY REJECTION",
}  # fmt: skip
_FLATS = ("PFLTFILE", "DFLTFILE", "LFLTFILE")
#: Steps that are skipped if their file is a dummy; a dummy of any other file is an error.
_SKIPPED_BY_DUMMY = {
    "BPIXTAB": "dqicorr", "DARKFILE": "darkcorr", "NLINFILE": "nlincorr", "IMPHTTAB": "photcorr",
    "PFLTFILE": "flatcorr", "DFLTFILE": "flatcorr", "LFLTFILE": "flatcorr",
}  # fmt: skip


@dataclass(frozen=True)
class ReferenceFile:
    """A reference file: keyword, name as in the header, path, and its own PEDIGREE and DESCRIP."""

    keyword: str
    name: str
    path: Path
    pedigree: str = ""
    described: str = ""
    row_described: str = ""

    @property
    def dummy(self) -> bool:
        """True if its PEDIGREE declares it a dummy, which must not be used."""
        return self.pedigree.startswith("DUMMY")


@dataclass(frozen=True)
class Loaded:
    """The references of an exposure.

    Attributes
    ----------
    data : ReferenceData
        Contents of the files.
    switches : Switches
        Steps that can be done: those with a dummy file are off.
    files : mapping
        Keyword to file.
    skipped : frozenset of str
        Steps that are off because their file is a dummy.
    warnings : tuple of str
        Problems that calwf3 does not mention.
    """

    data: ReferenceData
    switches: Switches
    files: Mapping[str, ReferenceFile]
    skipped: frozenset[str] = frozenset()
    warnings: tuple[str, ...] = field(default=())


def resolve(keyword: str, name: str, iref: Path | None) -> Path:
    """Return the path of a reference name: ``iref$x.fits``, ``$iref/x.fits`` or a plain path.

    Parameters
    ----------
    keyword, name : str
        As in the header.
    iref : Path, optional
        Folder that ``iref$`` stands for; see `wfc3tvb.config.Services.iref`. Other prefixes are environment variables.

    Raises
    ------
    MissingReferenceError
        If the prefix stands for no folder, or there is no such file.
    """
    text = name.strip()
    if not text:
        raise MissingReferenceError(keyword, "(blank)", "no file is named", "set it to a name, or N/A, in the header")
    prefix, dollar, rest = text.lstrip("$").replace("/", "$", text.startswith("$")).partition("$")
    if not dollar:
        path = Path(text)
    elif prefix == "iref" and iref is not None:
        path = iref / rest
    elif prefix != "iref" and prefix in os.environ:
        path = Path(os.environ[prefix] + ("" if os.environ[prefix].endswith("/") else "/") + rest)
    else:
        remedy = f"set the environment variable {prefix} to the folder of the reference files"
        raise MissingReferenceError(keyword, text, f"{prefix} is not set", remedy)
    if not path.is_file():
        remedy = "fetch it (crds bestrefs --sync-references=1), or point iref to the folder that has it"
        raise MissingReferenceError(keyword, text, f"there is no file {path}", remedy)
    return path


def find(header: Header, switches: Switches, *, iref: Path | None = None) -> dict[str, ReferenceFile]:
    """Find the files that an exposure's switches require, and check their headers.

    Parameters
    ----------
    header : mapping
        Primary header of the RAW file.
    switches : Switches
        Steps to be done.
    iref : Path, optional
        See `resolve`.

    Returns
    -------
    dict
        Keyword to file.

    Raises
    ------
    MissingReferenceError
        If a file does not exist.
    UnsuitableReferenceError
        If one does not match the exposure.
    """
    return {file.keyword: file for file in _files(header, switches, iref)}


def load(header: Header, ramp: Ramp, switches: Switches, found: Mapping[str, ReferenceFile]) -> Loaded:
    """Load the reference data that an exposure's switches require.

    Parameters
    ----------
    header : mapping
        Primary header of the RAW file.
    ramp : Ramp
        Its reads, not yet calibrated.
    switches : Switches
        Steps to be done.
    found : mapping
        Keyword to file; see `find`.

    Raises
    ------
    MissingReferenceError
        If a file cannot be read.
    UnsuitableReferenceError
        If one does not match the exposure.
    """
    files = dict(found)
    skipped = frozenset(_SKIPPED_BY_DUMMY[f.keyword] for f in files.values() if f.dummy)
    able = replace(switches, **{name: False for name in skipped if name != "zsigcorr"})
    warnings: list[str] = []
    gains, row = tables.amplifiers(files["CCDTAB"].path, float(header["CCDGAIN"]))
    table = files["CCDTAB"]
    pedigree, described = row.get("PEDIGREE", table.pedigree), row.get("DESCRIP", "")
    files["CCDTAB"] = replace(table, pedigree=pedigree, row_described=described)
    over = tables.overscan(files["OSCNTAB"].path, ramp.shape)
    if able.zsigcorr and able.blevcorr and over.sees_light(ramp.shape):
        problem = "its reference columns include light-sensitive ones"
        raise UnsuitableReferenceError("OSCNTAB", files["OSCNTAB"].path.name, problem, "use the file that CRDS names")
    warnings += _quadrants(gains, over, ramp)
    corner = images.corner_of(ramp.ltv)
    data = ReferenceData(
        amplifiers=gains,
        overscan=over,
        bad_pixels=(
            tables.bad_pixels(files["BPIXTAB"].path, ramp.shape, ramp.ltv, float(header["CCDGAIN"]))
            if able.dqicorr
            else None
        ),
        linearity=(
            images.read_linearity(files["NLINFILE"].path, ramp.shape, corner)
            if able.nlincorr or able.zsigcorr
            else None
        ),
        dark=_dark(files["DARKFILE"].path, header, ramp, able) if able.darkcorr else None,
        flat=(
            images.read_flat([(k, files[k].path) for k in _FLATS if k in files], ramp.shape, corner)
            if able.flatcorr
            else None
        ),
        rejection=(tables.rejection(files["CRREJTAB"].path, ramp.n, float(ramp.samptime[-1])) if able.crcorr else None),
        photometry=_photometry(files, header, warnings) if able.photcorr else None,
    )
    return Loaded(data, able, files, skipped, tuple(warnings))


def _quadrants(gains: Amplifiers, over: Overscan, ramp: Ramp) -> Iterator[str]:
    """Yield a warning if a frame does not include the point where the quadrants meet."""
    light, (ltv1, ltv2) = over.window(ramp.shape), ramp.ltv
    x, y = gains.ampx + ltv1 - over.trimx[0], gains.ampy + ltv2 - over.trimy[0]
    if not (light.x0 <= x <= light.x1 and light.y0 <= y <= light.y1):
        yield f"the quadrants meet at x {x}, y {y}, outside the frame; calwf3 writes out of bounds there"


def _dark(path: Path, header: Header, ramp: Ramp, switches: Switches) -> Any:
    first = ramp.samptime[0] if switches.zoffcorr else 0.0
    times = [float(time - first) for time in ramp.samptime]
    kind = str(header["SAMP_SEQ"]), str(header["SUBTYPE"])
    return images.read_dark(path, *kind, times, shape=ramp.shape)


def _photometry(files: Mapping[str, ReferenceFile], header: Header, warnings: list[str]) -> Any:
    found = tables.photometry(files["IMPHTTAB"].path, str(header["FILTER"]), float(header["EXPSTART"]))
    if found is None:
        warnings.append(
            f"IMPHTTAB {files['IMPHTTAB'].name} has no row for {header['FILTER']}: PHOTFLAM is 0, as calwf3 leaves it"
        )
        return Photometry(photzpt=float(read_header(files["IMPHTTAB"].path).number("PHOTZPT", 0.0)))
    return found


def _files(header: Header, switches: Switches, iref: Path | None) -> Iterator[ReferenceFile]:
    """Yield the files that the switches require."""
    needed = {
        "CCDTAB": True, "OSCNTAB": True, "BPIXTAB": switches.dqicorr,
        "DARKFILE": switches.darkcorr, "NLINFILE": switches.nlincorr or switches.zsigcorr,
        "PFLTFILE": switches.flatcorr, "DFLTFILE": switches.flatcorr, "LFLTFILE": switches.flatcorr,
        "CRREJTAB": switches.crcorr, "IMPHTTAB": switches.photcorr,
    }  # fmt: skip
    for keyword, wanted in needed.items():
        name = str(header.get(keyword, "")).strip()
        if wanted and name.upper() != "N/A":
            yield _described(keyword, name, resolve(keyword, name, iref), header)
        elif wanted and keyword not in _FLATS:
            raise MissingReferenceError(
                keyword, "N/A", "a switch set to PERFORM needs this file", "name a file, or set the switch to OMIT"
            )


def _described(keyword: str, name: str, path: Path, header: Header) -> ReferenceFile:
    """Return a file with its own description, after checking that it is of the kind that its keyword asks for."""
    try:
        described = read_header(path)
    except BadFileError as error:
        raise MissingReferenceError(keyword, str(path), "is not a FITS file", CHECK_THE_COPY) from error
    found, kind = str(described.get("FILETYPE", "")), _FILETYPES.get(keyword, "")
    if not found.startswith(kind):
        raise UnsuitableReferenceError(keyword, name, f"its FILETYPE is {found or 'missing'}", f"use a {kind} file")
    detector = str(described.get("DETECTOR", "")).strip()
    if keyword != "IMPHTTAB" and detector != "IR":
        raise UnsuitableReferenceError(keyword, name, f"its DETECTOR is {detector or 'missing'}", "use a file for IR")
    flat_filter = str(described.get("FILTER", "ANY")).strip()
    if keyword in _FLATS and flat_filter not in (str(header["FILTER"]).strip(), "ANY"):
        raise UnsuitableReferenceError(
            keyword, name, f"its FILTER is {flat_filter}", f"use a flat for {header['FILTER']}"
        )
    file = ReferenceFile(keyword, name, path, str(described.get("PEDIGREE", "")), str(described.get("DESCRIP", "")))
    if file.dummy and keyword not in _SKIPPED_BY_DUMMY:
        raise UnsuitableReferenceError(keyword, name, "is a dummy (PEDIGREE)", "use the file that CRDS names")
    return file
