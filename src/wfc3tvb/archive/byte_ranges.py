"""Read only the bytes of an exposure that are needed: the headers, and SCI and DQ of a band of rows of every read.

An IMA of 16 full frames is 168.3 MB; 80 rows of every read with their headers are 7.7 MB in 48 requests. The
primary header and the first SCI header give the size of the frames; all other ranges are then fetched at once from
where the archive's files usually have them. The first imset is then followed header by header and gives the offsets
of all others, since all imsets have the same length; ranges that turn out to lie elsewhere are fetched from there.
Each header must be the one expected (EXTNAME, EXTVER, shape, length). A file with another layout, or one so small that
ranges would save little, is fetched whole.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wfc3tvb.archive.costs import ranges_pay
from wfc3tvb.archive.responses import NoRangesError
from wfc3tvb.archive.sparse_file import IrregularLayoutError, SparseFile
from wfc3tvb.config import BAND_ROWS, MeasureSettings
from wfc3tvb.errors import BadFileError, MissingProductError, NotFitsError, TruncatedFileError
from wfc3tvb.fits.blocks import BLOCK, CHECK_THE_COPY, FileBytes
from wfc3tvb.fits.ima import cube_of, middle_rows, read_ima
from wfc3tvb.fits.ima_layout import check_instrument, number_of_reads
from wfc3tvb.fits.plane_headers import PlaneHeader, primary_header
from wfc3tvb.fits.plane_pixels import FLAGS
from wfc3tvb.fits.support_file import orbit_if_usable, orbit_of
from wfc3tvb.instrument import BORDER
from wfc3tvb.models import OrbitElements, ReadCube
from wfc3tvb.system.files import remove_old

if TYPE_CHECKING:
    from wfc3tvb.archive.remote import MastArchive

log = logging.getLogger(__name__)

#: First bytes fetched of an IMA (real primary headers are 8 blocks, the first SCI header 3).
_FIRST = 16 * BLOCK
#: First bytes fetched of a support file.
_SPT_FIRST = 10 * BLOCK
#: Beginning of the names of folders of downloads, and age at which those of killed workers are removed [h].
_SCRATCH = "wfc3tvb-fetch-"
_LEFT_HOURS = 24.0


def read_exposure(
    archive: MastArchive, rootname: str, settings: MeasureSettings
) -> tuple[ReadCube, OrbitElements | None]:
    """Return the reads of an exposure and, if it has a support file, the orbit.

    Parameters
    ----------
    archive : MastArchive
        An archive that serves byte ranges.
    rootname : str
        The exposure.
    settings : MeasureSettings
        `rows` is the number of middle rows to read; if None, `BAND_ROWS` by ranges, or all if the file is fetched
        whole. `pstat` reads the whole frame.

    Raises
    ------
    MissingProductError, ServiceError
        If its IMA cannot be fetched.
    BadFileError
        If a file is not a valid one of its kind.
    """
    with ThreadPoolExecutor(1) as beside, _archives_copy():
        support = beside.submit(read_support, archive, rootname)
        cube = read_cube(archive, rootname, rows=settings.rows, pstat=settings.pstat)
        try:
            orbit, n_bytes = support.result()
        except MissingProductError as error:
            if error.refused:
                log.warning("%s is measured without geometry (%s), later with it by a recheck", rootname, error)
            else:
                log.info("no support file for %s: its geometry stays unknown", rootname)
            return cube, None
    return replace(cube, n_bytes=cube.n_bytes + n_bytes), orbit


def read_cube(archive: MastArchive, rootname: str, *, rows: int | None = None, pstat: bool = False) -> ReadCube:
    """Return the reads of an exposure, by ranges where that saves bytes; see `read_exposure`."""
    if pstat:
        return _whole(archive, rootname, rows, pstat=True)
    remote, cube = _remote(archive, rootname, "ima"), None
    try:
        cube = _band(remote, rows or BAND_ROWS)
    except (NoRangesError, IrregularLayoutError) as error:
        log.info("%s is fetched whole: %s", rootname, error)
    if cube is None:
        cube = _whole(archive, rootname, rows)
    return replace(cube, n_bytes=cube.n_bytes + remote.n_bytes)


def read_support(archive: MastArchive, rootname: str) -> tuple[OrbitElements | None, int]:
    """Return the orbit in an exposure's support file, and the bytes read; raises the errors of `read_exposure`."""
    remote = _remote(archive, rootname, "spt")
    try:
        remote.need([(0, _SPT_FIRST)])
        header, _ = primary_header(remote, remote.path)
        return orbit_if_usable(lambda: orbit_of(header, remote.path)), remote.n_bytes
    except NoRangesError:
        with _downloaded(archive, rootname, "spt") as path, FileBytes(path) as data:
            header, _ = primary_header(data, remote.path)
            return orbit_if_usable(lambda: orbit_of(header, remote.path)), data.size


def _remote(archive: MastArchive, rootname: str, suffix: str) -> SparseFile:
    return SparseFile(f"{rootname}_{suffix}.fits", partial(archive.ranges, rootname, suffix))


def _band(remote: SparseFile, rows: int) -> ReadCube | None:
    """Return the middle rows of every read; None if fetching the whole file is cheaper."""
    remote.need([(0, _FIRST)])
    primary, start = primary_header(remote, remote.path)
    check_instrument(primary, remote.path)
    nsamp = number_of_reads(primary, remote.path)
    sci = remote.plane(start, "SCI", 1)
    height, width = sci.shape
    if nsamp < 2 or min(height, width) <= 2 * BORDER:
        raise IrregularLayoutError(remote.path, "its extensions are not a stack of IR frames")
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
    """Return the ranges of headers and rows in a file with the archive's usual layout."""
    plane = PlaneHeader(0, sci.data - sci.start, sci.keywords)
    err = PlaneHeader(plane.next, plane.next + 2 * BLOCK, sci.keywords)
    dq = PlaneHeader(err.next, err.next + BLOCK, dict(sci.keywords) | {"BITPIX": 16, "NAXIS": 2})
    stride = dq.next + 2 * BLOCK
    ranges = [(sci.start + e.start, sci.start + e.data) for e in (err, dq)]
    for base in range(sci.start, sci.start + (nsamp - 1) * stride, stride):
        bands = [e.rows(first, last) for e in (plane, dq)]
        headers = (dq.next, stride + plane.data)
        ranges += [(base + start, base + stop) for start, stop in (*bands, headers)]
    return ranges


def _imsets(remote: SparseFile, sci: PlaneHeader, nsamp: int) -> list[tuple[PlaneHeader, PlaneHeader]]:
    """Return the SCI and DQ planes of every imset, located from the first; every SCI header is fetched and checked."""
    err = remote.plane(sci.next, "ERR", 1)
    dq = remote.plane(err.next, "DQ", 1)
    if not sci.shape == err.shape == dq.shape:
        raise IrregularLayoutError(remote.path, "the planes of its last read differ in size")
    if dq.scale != (1.0, 0.0) or (dq.stored and dq.dtype != FLAGS):
        # The headers of the other reads' flags are not fetched, and may differ.
        raise IrregularLayoutError(remote.path, "its flags are not those of the archive's files")
    stride, length = _second(remote, dq) - sci.start, sci.data - sci.start
    # From the end of an imset's DQ to the end of the next SCI header, unless there are data between.
    gap = dq.next if stride - (dq.next - sci.start) < 10 * BLOCK else sci.start + stride
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
            raise IrregularLayoutError(remote.path, f"SCI,{version} differs from SCI,1 in size")
        keywords = dict(dq.keywords) | {"EXTVER": version}
        found.append((other, replace(dq, start=dq.start + shift, data=dq.data + shift, keywords=keywords)))
    return found


def _second(remote: SparseFile, dq: PlaneHeader) -> int:
    """Return where the second imset starts, from the SAMP and TIME extensions of the first."""
    remote.need([(dq.next, dq.next + 5 * BLOCK)])
    samp = remote.plane(dq.next, "SAMP", 1)
    time = remote.plane(samp.next, "TIME", 1)
    return time.next


def _whole(archive: MastArchive, rootname: str, rows: int | None, *, pstat: bool = False) -> ReadCube:
    """Return the reads of an exposure from its whole file, deleted but still mapped while the cube exists."""
    with _downloaded(archive, rootname, "ima") as path:
        return read_ima(path, rows=rows, pstat=pstat)


@contextmanager
def _downloaded(archive: MastArchive, rootname: str, suffix: str) -> Iterator[Path]:
    remove_old(Path(tempfile.gettempdir()), f"{_SCRATCH}*", hours=_LEFT_HOURS)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH) as folder:
        yield archive.download(rootname, suffix, Path(folder))


@contextmanager
def _archives_copy() -> Iterator[None]:
    """Point to the archive's help desk for a damaged file: the user has no copy to check.

    A file that is not FITS, or is cut short, may have been damaged on its way, so a rerun fetches it again.
    """
    try:
        yield
    except BadFileError as error:
        error.retryable = isinstance(error, NotFitsError | TruncatedFileError)
        if error.remedy == CHECK_THE_COPY:
            error.remedy = "the archive's copy is damaged; ask its help desk"
        raise
