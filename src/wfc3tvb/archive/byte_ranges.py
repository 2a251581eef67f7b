"""An exposure by the bytes that matter: the headers, and SCI and DQ of a band of rows of every read.

An IMA of 16 full frames is 168.3 MB; 80 rows of every read with their headers are 7.7 MB in 48 requests. The
primary header and the first SCI header say how large the frames are; everything else is fetched at once from where
it is in the files of the archive. Then the first imset is walked header by header; from it follows where all others
are, since every imset is as long as the first. What turned out to be elsewhere is fetched from there. Each header
must be the one expected (EXTNAME, EXTVER, shape, length). A file that is not laid out so, or so small that ranges
would not pay, is fetched whole.
"""

from __future__ import annotations

import logging
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from wfc3tvb.archive.costs import ranges_pay
from wfc3tvb.archive.http import NoRangesError
from wfc3tvb.archive.sparse_file import Files, IrregularLayoutError, SparseFile
from wfc3tvb.config import BAND_ROWS, MeasureSettings
from wfc3tvb.errors import MissingProductError
from wfc3tvb.fits.ima import cube_of, middle_rows, read_ima
from wfc3tvb.fits.ima_layout import PlaneHeader, check_instrument, primary_header
from wfc3tvb.fits.support_file import orbit_of
from wfc3tvb.instrument import BORDER
from wfc3tvb.models import OrbitElements, ReadCube

log = logging.getLogger(__name__)

_BLOCK = 2880
#: First bytes fetched of an IMA (real primary headers are 8 blocks, the first SCI header 3).
_FIRST = 16 * _BLOCK
#: First bytes fetched of a support file.
_SPT_FIRST = 10 * _BLOCK


def read_exposure(files: Files, rootname: str, settings: MeasureSettings) -> tuple[ReadCube, OrbitElements | None]:
    """Return the reads of an exposure and, where its support file is there, the orbit.

    Parameters
    ----------
    files : Files
        Where its files are.
    rootname : str
        Which exposure.
    settings : MeasureSettings
        `rows` asks for that many middle rows; where None, `BAND_ROWS` by ranges, or all where the file is fetched
        whole. `pstat` asks for the whole frame.

    Raises
    ------
    MissingProductError, ServiceError
        If its IMA cannot be had.
    BadFileError
        If a file is not what it should be.
    """
    with ThreadPoolExecutor(1) as beside:
        support = beside.submit(read_support, files, rootname)
        cube = read_cube(files, rootname, rows=settings.rows, pstat=settings.pstat)
    try:
        orbit, n_bytes = support.result()
    except MissingProductError:
        log.info("%s has no support file for %s: its geometry stays unknown", files.service, rootname)
        return cube, None
    return replace(cube, n_bytes=cube.n_bytes + n_bytes), orbit


def read_cube(files: Files, rootname: str, *, rows: int | None = None, pstat: bool = False) -> ReadCube:
    """Return the reads of an exposure, by ranges where that saves bytes; as `read_exposure`."""
    if pstat:
        return _whole(files, rootname, rows, pstat=True)
    remote = SparseFile(files, rootname)
    try:
        cube = _band(remote, rows or BAND_ROWS)
    except NoRangesError:
        log.info("%s gives no ranges: %s is fetched whole", files.service, rootname)
        cube = None
    except IrregularLayoutError as error:
        log.info("%s; it is fetched whole", error)
        cube = None
    if cube is None:
        cube = _whole(files, rootname, rows)
    return replace(cube, n_bytes=cube.n_bytes + remote.n_bytes)


def read_support(files: Files, rootname: str) -> tuple[OrbitElements, int]:
    """Return the orbit that an exposure's support file describes, and the bytes read; raises as `read_exposure`."""
    path = Path(f"{rootname}_spt.fits")
    try:
        remote = SparseFile(files, rootname, "spt")
        remote.need([(0, _SPT_FIRST)])
        header, _ = primary_header(remote.header(0), path)
    except NoRangesError:
        with tempfile.TemporaryDirectory() as folder:
            whole = files.download(rootname, "spt", Path(folder))
            header, _ = primary_header(np.fromfile(whole, np.uint8), path)
            return orbit_of(header, path), whole.stat().st_size
    return orbit_of(header, path), remote.n_bytes


def _band(remote: SparseFile, rows: int) -> ReadCube | None:
    """Return the middle rows of every read; None where the file had better be fetched whole."""
    remote.need([(0, _FIRST)])
    primary, start = primary_header(remote.header(0), remote.path)
    check_instrument(primary, remote.path)
    nsamp = int(primary.get("NSAMP", 0))
    sci = remote.plane(start, "SCI", 1)
    height, width = sci.shape
    if not 2 <= nsamp <= 16 or min(height, width) <= 2 * BORDER:
        raise IrregularLayoutError(remote.path, "is no stack of IR frames")
    index = middle_rows(height - 2 * BORDER, rows)
    first, last = int(index[0]) + BORDER, int(index[-1]) + BORDER + 1
    if not ranges_pay(height, width, nsamp, index.size):
        return None
    remote.need(_usual(sci, nsamp, first, last))
    imsets = _imsets(remote, sci, nsamp)
    remote.need([e.rows(first, last) for imset in imsets[:-1] for e in imset], exact=True)
    remote.grow(max(dq.end for _, dq in imsets))
    planes = [plane for imset in imsets for plane in imset]
    return cube_of(remote.data, primary, planes, remote.path, rows=rows)


def _usual(sci: PlaneHeader, nsamp: int, first: int, last: int) -> list[tuple[int, int]]:
    """Return the ranges of headers and rows in a file laid out as those of the archive are."""
    plane = PlaneHeader(0, sci.data - sci.start, sci.keywords)
    err = PlaneHeader(plane.next, plane.next + 2 * _BLOCK, sci.keywords)
    dq = PlaneHeader(err.next, err.next + _BLOCK, dict(sci.keywords) | {"BITPIX": 16, "NAXIS": 2})
    stride = dq.next + 2 * _BLOCK
    ranges = [(sci.start + e.start, sci.start + e.data) for e in (err, dq)]
    for base in range(sci.start, sci.start + (nsamp - 1) * stride, stride):
        bands = [e.rows(first, last) for e in (plane, dq)]
        headers = (dq.next, stride + plane.data)
        ranges += [(base + start, base + stop) for start, stop in (*bands, headers)]
    return ranges


def _imsets(remote: SparseFile, sci: PlaneHeader, nsamp: int) -> list[tuple[PlaneHeader, PlaneHeader]]:
    """Return the SCI and DQ planes of every imset, from the layout of the first; every SCI header is fetched."""
    err = remote.plane(sci.next, "ERR", 1)
    dq = remote.plane(err.next, "DQ", 1)
    if not sci.shape == err.shape == dq.shape:
        raise IrregularLayoutError(remote.path, "the planes of its last read differ in size")
    stride, length = _second(remote, dq) - sci.start, sci.data - sci.start
    # From the end of an imset's DQ to the end of the next SCI header, unless there are data between.
    gap = dq.next if stride - (dq.next - sci.start) < 10 * _BLOCK else sci.start + stride
    shifts = [k * stride for k in range(1, nsamp - 1)]
    if shifts:
        remote.need([(gap + shift, sci.start + stride + length + shift) for shift in shifts], exact=True)
    found = [(sci, dq)]
    for version in range(2, nsamp + 1):
        shift = (version - 1) * stride
        if gap < sci.start + stride:
            samp = remote.plane(gap + shift - stride, "SAMP", version - 1)
            remote.plane(samp.next, "TIME", version - 1)
        other = remote.plane(sci.start + shift, "SCI", version)
        if other.shape != sci.shape or other.data - other.start != length:
            raise IrregularLayoutError(remote.path, f"SCI,{version} is not like SCI,1")
        keywords = dict(dq.keywords) | {"EXTVER": version}
        found.append((other, PlaneHeader(dq.start + shift, dq.data + shift, keywords)))
    return found


def _second(remote: SparseFile, dq: PlaneHeader) -> int:
    """Return where the second imset starts, from the SAMP and TIME extensions of the first."""
    remote.need([(dq.next, dq.next + 5 * _BLOCK)])
    samp = remote.plane(dq.next, "SAMP", 1)
    time = remote.plane(samp.next, "TIME", 1)
    return time.next


def _whole(files: Files, rootname: str, rows: int | None, *, pstat: bool = False) -> ReadCube:
    """Return the reads of an exposure from its file fetched whole; the file is gone when the cube is."""
    with tempfile.TemporaryDirectory() as folder:
        return read_ima(files.download(rootname, "ima", Path(folder)), rows=rows, pstat=pstat)
