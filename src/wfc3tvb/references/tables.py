"""Read reference tables and select the row for an exposure (rules of calwf3, reference-file formats of CRDS)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from wfc3tvb.calibration.model import Amplifiers, Flags, Overscan, Photometry, Rejection
from wfc3tvb.errors import BadFileError, MissingReferenceError, UnsuitableReferenceError
from wfc3tvb.fits.bintable import Columns, read_columns, rows_of
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.hdus import read_fits

#: CRSIGMAS of the IRRAMP rows of the CRREJTABs that CRDS names for IR exposures in flight, the same for 2 to 16 reads
#: [standard deviations]. Source: u6a1748ri_crr.fits as CRDS publishes it, the only one with a USEAFTER (2009-05-14) in
#: flight in hst_wfc3_crrejtab_0250.rmap.
CRSIGMAS = {"u6a1748ri_crr.fits": 4.0}
#: Cell values that match any value; in the BPIXTAB also N/A.
_ANY = {-1, -999, "ANY"}
#: What calwf3 reads from a cell without a value.
_NO_TEXT = "INDEF"
_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_INDEFINITE = np.float32(1.6e38)
#: Pixels along a side of the detector.
_LONGEST_RUN = 1024


def read_table(keyword: str, path: Path) -> Columns:
    """Return the columns of the first table of a reference file.

    Raises
    ------
    MissingReferenceError
        If it is not a FITS file with a table.
    """
    try:
        return read_columns(read_fits(path)[1])
    except (BadFileError, IndexError) as error:
        raise MissingReferenceError(keyword, str(path), "is not a FITS file with a table", CHECK_THE_COPY) from error


def amplifiers(path: Path, gain: float) -> tuple[Amplifiers, dict[str, str]]:
    """Return gain, read noise and quadrants (CCDTAB) at a commanded gain, and PEDIGREE and DESCRIP of the row.

    Raises
    ------
    UnsuitableReferenceError
        If there is no row for that gain; also `MissingReferenceError` of `read_table`.
    """
    for row in rows_of(read_table("CCDTAB", path)):
        wanted = {"CCDAMP": "ABCD", "CCDGAIN": np.float32(gain), "CCDCHIP": 1, "BINAXIS1": 1, "BINAXIS2": 1}
        offsets = {f"CCDOFST{a}": 0 for a in "ABCD"}
        if all(_fits(row[name], value) for name, value in (wanted | offsets).items()):
            gains = np.array([row.number(f"ATODGN{a}") for a in "ABCD"], np.float32)
            noises = np.array([row.number(f"READNSE{a}") for a in "ABCD"], np.float32)
            if not np.any(gains):
                raise UnsuitableReferenceError("CCDTAB", path.name, "its ATODGN are 0", "use the file that CRDS names")
            described: dict[str, str] = {
                name: str(row[name]) or _NO_TEXT for name in ("PEDIGREE", "DESCRIP") if name in row
            }
            return Amplifiers(gains, noises, row.whole("AMPX"), row.whole("AMPY")), described
    problem = f"no row for CCDGAIN {gain:g}"
    raise UnsuitableReferenceError("CCDTAB", path.name, problem, "use the file that CRDS names")


def overscan(path: Path, shape: tuple[int, int]) -> Overscan:
    """Return the reference pixels of a frame (OSCNTAB); the last of several matching rows counts.

    Raises
    ------
    UnsuitableReferenceError
        If there is no row for a frame of that shape; also `MissingReferenceError` of `read_table`.
    """
    rows = rows_of(read_table("OSCNTAB", path))
    ny, nx = shape
    found = [row for row in rows if _for_chip(row, "ABCD") and (row["NX"], row["NY"]) == (nx, ny)]
    if not found:
        raise UnsuitableReferenceError("OSCNTAB", path.name, f"no row for a frame of {nx} x {ny}", "check the RAW file")
    row = found[-1]
    return Overscan(
        (row.whole("TRIMX1"), row.whole("TRIMX2")),
        (row.whole("TRIMY1"), row.whole("TRIMY2")),
        (row.whole("BIASSECTA1"), row.whole("BIASSECTA2")),
        (row.whole("BIASSECTB1"), row.whole("BIASSECTB2")),
    )


def bad_pixels(path: Path, shape: tuple[int, int], ltv: tuple[float, float], gain: float) -> Flags:
    """Return the flags of the bad-pixel table (BPIXTAB) on a frame: runs of LENGTH along AXIS from PIX1, PIX2.

    Raises
    ------
    UnsuitableReferenceError
        If a run has no length, one beyond the detector, or no axis; also `MissingReferenceError` of `read_table`.
    """
    return _bad_pixels(path, path.stat().st_mtime_ns, shape, ltv, gain)


@lru_cache(maxsize=2)
def _bad_pixels(path: Path, mtime: int, shape: tuple[int, int], ltv: tuple[float, float], gain: float) -> Flags:
    rows = _matching_rows(read_table("BPIXTAB", path), {"CCDAMP": "ABCD", "CCDGAIN": np.float32(gain), "CCDCHIP": 1})
    first, second, lengths, axis, flags = (rows.numbers(name) for name in ("PIX1", "PIX2", "LENGTH", "AXIS", "VALUE"))
    if not np.all((lengths >= 1) & (lengths <= _LONGEST_RUN) & np.isin(axis, (1, 2))):
        problem = "has runs without length or axis"
        raise UnsuitableReferenceError("BPIXTAB", path.name, problem, "use the file that CRDS names")
    mask = np.zeros(shape, np.int16)
    x, y = (first - 1 + ltv[0]).astype(int), (second - 1 + ltv[1]).astype(int)
    length = lengths.astype(int)
    run = np.arange(length.sum()) - np.repeat(np.cumsum(length) - length, length)
    along = np.repeat(axis == 1, length)
    xs, ys = np.repeat(x, length) + run * along, np.repeat(y, length) + run * ~along
    inside = (xs >= 0) & (ys >= 0) & (xs < shape[1]) & (ys < shape[0])
    values = np.repeat(flags, length).astype(np.int16)
    pixels = np.where(inside, ys * shape[1] + xs, 0)
    for value in np.unique(values):
        mask.ravel()[pixels[inside & (values == value)]] |= value
    return mask


def rejection(path: Path, nsamp: int, exptime: float) -> Rejection:
    """Return threshold and bad flags (CRREJTAB) for a ramp with `nsamp` reads and a given exposure time [s].

    Raises
    ------
    UnsuitableReferenceError
        If there is no row for such a ramp, or its threshold is not a number; also `MissingReferenceError` of
        `read_table`.
    """
    ramp_rows = [row for row in rows_of(read_table("CRREJTAB", path)) if "IRRAMP" in row and np.all(row["IRRAMP"])]
    n_split = min(nsamp, max((row.whole("CRSPLIT") for row in ramp_rows), default=0))
    best, chosen = None, None
    for row in ramp_rows:
        mean = np.float32(row.number("MEANEXP"))
        distance = (mean if np.isfinite(mean) else _INDEFINITE) - np.float32(exptime)
        if row["CRSPLIT"] == n_split and distance >= 0 and (best is None or distance <= best):
            best, chosen = distance, row
    if chosen is None:
        raise UnsuitableReferenceError("CRREJTAB", path.name, f"no IRRAMP row for {nsamp} reads of {exptime:g} s")
    return Rejection(_first_number(path, str(chosen["CRSIGMAS"])), chosen.whole("BADINPDQ"))


def _first_number(path: Path, text: str) -> float:
    """Return the first of the numbers separated by ``,``, ``;`` or ``/``, in single precision.

    Text after a number is ignored, as in calwf3; an empty first number is 0 there, which makes every read a hit.
    """
    first, *others = (_NUMBER.match(part) if part else None for part in re.split("[,;/]", text))
    wrong = any(part and not found for part, found in zip(re.split("[,;/]", text)[1:], others, strict=True))
    value = float(np.float32(first[0])) if first else 0.0
    if wrong or not (value > 0 and np.isfinite(value)):
        raise UnsuitableReferenceError("CRREJTAB", path.name, f"CRSIGMAS is {text!r}", "use the file that CRDS names")
    return value


def photometry(path: Path, filter_name: str, expstart: float) -> Photometry | None:
    """Return the photometric keywords (IMPHTTAB) of a filter at a time [MJD]; None if the filter has no row.

    Raises
    ------
    BadFileError
        If the file cannot be read.
    UnsuitableReferenceError
        If it lacks the table of a keyword.
    """
    extensions = read_fits(path)
    header, tables = extensions[0].header, {extension.key[0]: extension for extension in extensions[1:]}
    found = {}
    for name in ("PHOTFLAM", "PHOTPLAM", "PHOTBW"):
        if name not in tables:
            raise UnsuitableReferenceError(
                "IMPHTTAB", path.name, f"has no table {name}", "use the file that CRDS names"
            )
        row = _photometry_row(read_columns(tables[name]), filter_name)
        if row is None:
            return None
        found[name.lower()] = _at(row, name, float(f"{expstart:.4f}"), bool(header.get("EXTRAP", False)))
    return Photometry(photzpt=float(header.number("PHOTZPT", 0.0)), **found)


def _photometry_row(columns: Columns, filter_name: str) -> Columns | None:
    wanted = f"wfc3,ir,{filter_name.lower()},mjd#"
    for row in rows_of(columns):
        mode = str(row["OBSMODE"]).strip().lower()
        if len(mode) == len(wanted) and all(token in wanted for token in mode.split(",")):
            return row
    return None


def _at(row: Columns, name: str, mjd: float, extrapolate: bool) -> float:
    """Return a time-dependent value: interpolated linearly between the table's times, -9999 outside them.

    Raises
    ------
    BadFileError
        If times or values are missing, or not numbers.
    """
    if not str(row["DATACOL"]).strip()[-1:].isdigit():
        return float(row.number(name))
    n = row.whole("NELEM1")
    if n == 1:
        return float(row.number(name))
    times, values = (row.numbers(column)[:n].astype(float) for column in ("PAR1VALUES", f"{name}1"))
    if not 1 < n == len(times) == len(values):
        raise BadFileError(row.path, f"has no {n} values of {name}", CHECK_THE_COPY)
    if not times[0] <= mjd <= times[-1] and not extrapolate:
        return -9999.0
    i = int(np.clip(np.searchsorted(times, mjd, side="right") - 1, 0, n - 2))
    return float(values[i] + (mjd - times[i]) * (values[i + 1] - values[i]) / (times[i + 1] - times[i]))


def _for_chip(row: Columns, amplifiers: str) -> bool:
    """Return True if a row is for the detector's one chip and these amplifiers."""
    return _fits(row["CCDAMP"], amplifiers) and ("CCDCHIP" not in row or _fits(row["CCDCHIP"], 1))


def _matching_rows(columns: Columns, wanted: Mapping[str, Any]) -> Columns:
    """Return the rows of a table that match an exposure; a missing column matches anything."""
    matching = np.ones(len(next(iter(columns.values()))), bool)
    for name in wanted.keys() & columns.keys():
        if columns[name].ndim != 1:
            raise BadFileError(columns.path, f"has several values in each cell of column {name}", CHECK_THE_COPY)
        fitting = [cell for cell in np.unique(columns[name]) if _fits(cell.item(), wanted[name]) or cell == "N/A"]
        matching &= np.isin(columns[name], fitting)
    return Columns(columns.path, {name: values[matching] for name, values in columns.items()})


def _fits(cell: Any, wanted: Any) -> bool:
    if isinstance(cell, np.ndarray):  # a cell with several values
        return False
    value = str(cell).strip() if isinstance(wanted, str) else cell
    return bool(value == wanted) or value in _ANY
