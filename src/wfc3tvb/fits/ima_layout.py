"""Find the planes of an intermediate file (``_ima.fits``) among its extensions, and hold them to the reads.

Layout (WFC3 Data Handbook 2.2, checked on files of the archive): five extensions per read, the last read first;
SCI and DQ are planes, SAMP and TIME are constants in PIXVALUE. Other extensions may stand before, among or after them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wfc3tvb.errors import BadFileError, MissingKeywordError, TruncatedFileError, WrongInstrumentError
from wfc3tvb.fits.blocks import CHECK_THE_COPY, Bytes
from wfc3tvb.fits.plane_headers import PlaneHeader, is_extension, plane_header, primary_header
from wfc3tvb.instrument import BORDER

#: Reads of the longest sample sequence, the zeroth included, and pixels along a side of the detector.
_MOST_READS, _LARGEST_FRAME = 16, 1024


def walk(data: Bytes, path: Path) -> tuple[dict[str, Any], list[PlaneHeader]]:
    """Return the keywords of the primary header, and the headers of all extensions in the order of the file.

    Raises
    ------
    WrongInstrumentError
        If it is not a WFC3/IR MULTIACCUM exposure.
    TruncatedFileError, BadFileError
        If the file ends before its data do; see `plane_header`.
    """
    primary, start = primary_header(data, path)
    check_instrument(primary, path)  # first, since extensions of other files are not planes of reads
    planes: list[PlaneHeader] = []
    while start < data.size and is_extension(data, start):
        planes.append(plane_header(data, start, path))
        start = planes[-1].next
    if planes and planes[-1].end > data.size:
        raise TruncatedFileError(path, f"the file ends before the data of {planes[-1].label} do", CHECK_THE_COPY)
    return primary, planes


def check_instrument(primary: Mapping[str, Any], path: Path) -> None:
    """Raise `WrongInstrumentError` unless a primary header belongs to a WFC3/IR MULTIACCUM exposure."""
    found = tuple(str(primary.get(k, "")).strip() for k in ("INSTRUME", "DETECTOR", "OBSMODE"))
    if found[:2] != ("WFC3", "IR") or found[2] not in ("MULTIACCUM", ""):
        name = "/".join(part for part in found if part) or "of an unknown instrument"
        raise WrongInstrumentError(path, f"is {name}, not WFC3/IR MULTIACCUM", "give a WFC3/IR _ima.fits file")


def planes_of_reads(
    planes: Sequence[PlaneHeader], primary: Mapping[str, Any], size: int, path: Path
) -> tuple[list[PlaneHeader], list[PlaneHeader]]:
    """Return the SCI and the DQ planes of reads 1..N in time order; flags that the file lacks are 0.

    Parameters
    ----------
    planes : sequence of PlaneHeader
        The planes of the file; those other than SCI and DQ may be left out.
    primary : mapping
        Keywords of its primary header.
    size : int
        Length of the file [byte].
    path : Path
        Name of the file in messages.

    Raises
    ------
    MissingKeywordError
        If NSAMP is missing.
    TruncatedFileError
        If reads are missing, or the file ends before their data do.
    BadFileError
        If the planes are not those of an exposure's reads.
    """
    nsamp = number_of_reads(primary, path)
    found = {(p.name, p.version): p for p in reversed(planes) if p.name in ("SCI", "DQ")}
    n_found = sum(name == "SCI" for name, _ in found)
    if sum(p.name == "SCI" for p in planes) > n_found:
        raise BadFileError(path, "has the same read twice", CHECK_THE_COPY)
    if n_found <= 1 < nsamp and _number(primary, "NEXTEND", 5) < 5 * nsamp:
        raise BadFileError(path, f"has one image, not {nsamp} reads", "give the _ima.fits file")
    versions = range(nsamp - 1, 0, -1)  # the zeroth read, EXTVER = NSAMP, must exist but is never measured
    missing = [version for version in (*versions, nsamp) if ("SCI", version) not in found]
    if missing:
        raise _incomplete(planes, nsamp, len(missing), size, path)
    if nsamp < 2:
        raise BadFileError(path, "has only the zeroth read", "give an exposure with at least two reads")
    sci = [found["SCI", version] for version in versions]
    _check_frames(sci, size, path)
    dq = [_flags(found.get(("DQ", plane.version)), plane) for plane in sci]
    _check_frames(dq, size, path)
    if len({plane.shape for plane in (*sci, *dq)}) > 1:
        raise BadFileError(path, "its reads differ in size", CHECK_THE_COPY)
    return sci, dq


def number_of_reads(primary: Mapping[str, Any], path: Path) -> int:
    """Return NSAMP, which counts the zeroth read too.

    Raises
    ------
    MissingKeywordError, BadFileError
        If there is none, or it is not the number of reads of a sample sequence.
    """
    if primary.get("FILETYPE") == "ASN_TABLE":
        raise BadFileError(path, "is an association table", "give the _ima.fits files of its members")
    if "NSAMP" not in primary:
        raise MissingKeywordError(path, "NSAMP")
    nsamp = _number(primary, "NSAMP", 0)
    if not 1 <= nsamp <= _MOST_READS or nsamp % 1:
        problem = f"NSAMP is {primary['NSAMP']!r}, not a number of reads from 1 to {_MOST_READS}"
        raise BadFileError(path, problem, CHECK_THE_COPY)
    return int(nsamp)


def _number(primary: Mapping[str, Any], keyword: str, default: float) -> float:
    """Return a keyword's number; 0 if it is something else."""
    value = primary.get(keyword, default)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _incomplete(planes: Sequence[PlaneHeader], nsamp: int, n_missing: int, size: int, path: Path) -> BadFileError:
    """Return the error of a file that lacks reads, with the place where the search for them ended."""
    problem, end = f"has {nsamp - n_missing} of {nsamp} reads", max((p.next for p in planes), default=size)
    if end < size:
        problem += f", and no header at byte {end}"
    return TruncatedFileError(path, problem, CHECK_THE_COPY)


def _flags(found: PlaneHeader | None, sci: PlaneHeader) -> PlaneHeader:
    """Return the plane of flags of a read; without one, or without its size, it is a constant one."""
    height, width = sci.shape
    if found is None:
        keywords: Mapping[str, Any] = {"NAXIS": 0.0, "BITPIX": 16.0, "EXTNAME": "DQ", "EXTVER": float(sci.version)}
        found = PlaneHeader(sci.start, sci.data, keywords, sci.path)
    if found.stored or found.shape != (0, 0):
        return found
    sized = dict(found.keywords) | {"NPIX1": float(width), "NPIX2": float(height)}
    return PlaneHeader(found.start, found.data, sized, found.path)


def _check_frames(planes: Sequence[PlaneHeader], size: int, path: Path) -> None:
    """Raise an error unless planes are complete frames of the detector, with a scale."""
    for plane in planes:
        if plane.end > size:
            raise TruncatedFileError(path, f"the file ends before the data of {plane.label} do", CHECK_THE_COPY)
        height, width = plane.shape
        if min(height, width) <= 2 * BORDER:
            raise BadFileError(path, f"{plane.label} has {width} x {height} pixels, not an IR frame", CHECK_THE_COPY)
        if max(height, width) > _LARGEST_FRAME:
            problem = f"{plane.label} has {width} x {height} pixels, more than the detector"
            raise BadFileError(path, problem, CHECK_THE_COPY)
        if plane.scale[0] == 0:
            raise BadFileError(path, f"{plane.label} has BSCALE 0", CHECK_THE_COPY)
