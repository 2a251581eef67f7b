"""Run STScI's calwf3 (hstcal's calwf3.e) as a process, and check its exit status and its products.

`wfc3tools.calwf3` returns silently if the program is killed or ends with a status that it does not list, so the
program is called directly.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from wfc3tvb.engines.raw_reads import read_primary
from wfc3tvb.errors import BadFileError, CalibrationError, EngineMissingError
from wfc3tvb.fits.hdus import read_fits, read_header
from wfc3tvb.system.files import remove_old

_PROGRAM = "calwf3.e"
#: Lines from the end of a log that go into an error message.
_EXCERPT = 8
#: Beginning of the names of scratch folders, and age at which those of killed runs are removed [h].
_SCRATCH, _LEFT_HOURS = ".calwf3-", 24.0


def chosen(engine: str) -> bool:
    """Return True if calwf3 is to run: only where it is requested by name.

    Raises
    ------
    EngineMissingError
        If it is requested but not on the PATH.
    """
    if engine == "calwf3" and shutil.which(_PROGRAM) is None:
        raise EngineMissingError
    return engine == "calwf3"


@cache
def version() -> str:
    """Return calwf3's version, e.g. 3.7.3.

    Raises
    ------
    EngineMissingError
        If it is not on the PATH.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise EngineMissingError
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def rootname_of(path: Path) -> str:
    """Return the rootname of a RAW file in lower case, after checking that it is a WFC3/IR exposure.

    Raises
    ------
    BadFileError
        See `wfc3tvb.engines.raw_reads.read_imsets`.
    """
    return str(read_primary(path)["ROOTNAME"]).lower()


def run(path: Path, products: tuple[Path, Path, Path], *, crcorr: str, iref: Path | None) -> str:
    """Run calwf3 on a copy of a RAW file in a temporary folder, and move the products into place.

    Parameters
    ----------
    path : Path
        RAW file; it is not changed.
    products : tuple of Path
        Paths of IMA, FLT and trailer.
    crcorr : str
        ``header``, ``omit`` or ``perform``.
    iref : Path, optional
        Folder of the reference files; without it, calwf3 reports what is missing.

    Returns
    -------
    str
        CRCORR of the FLT.

    Raises
    ------
    EngineMissingError
        If calwf3 is not on the PATH.
    CalibrationError
        If calwf3 fails, is killed, or leaves no complete, calibrated FLT and IMA.
    """
    program = shutil.which(_PROGRAM)
    if program is None:
        raise EngineMissingError
    environment = dict(os.environ)
    if iref is not None:
        environment["iref"] = f"{iref.resolve()}/"  # absolute, since calwf3 runs in another folder
    remove_old(products[1].parent, f"{_SCRATCH}*", hours=_LEFT_HOURS)
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=products[1].parent) as scratch:
        copy = Path(scratch) / path.name
        shutil.copyfile(path, copy)
        for table in path.parent.glob("*_asn.fits"):
            (Path(scratch) / table.name).symlink_to(table.resolve())
        if crcorr != "header":
            from astropy.io import fits

            fits.setval(copy, "CRCORR", value=crcorr.upper())
        done = subprocess.run(
            [program, copy.name], cwd=scratch, env=environment, capture_output=True, text=True, check=False,
            errors="replace",
        )  # fmt: skip
        if not (log := _product(copy, ".tra")).exists():
            log.write_text(done.stdout + done.stderr)
        fault = _fault(copy, done.returncode)
        _move(copy, (None, None, products[2]) if fault else products)
    if fault:
        raise _failure(path, fault, done.returncode, products[2])
    return str(read_header(products[1]).get("CRCORR", "OMIT")).strip()


def _fault(copy: Path, status: int) -> str:
    """Return the problem of a run on `copy` with this exit status; empty if its products are complete."""
    if status:
        return "failed"
    for name in ("FLT", "IMA"):
        product = _product(copy, f"_{name.lower()}.fits")
        if not product.exists():
            return f"ended without an {name}"
        try:
            header = read_fits(product)[0].header
        except BadFileError:
            return f"left an {name} that cannot be read"
        if str(header.get("CRCORR", "")).strip().upper() == "PERFORM":
            return f"left an {name} that is not calibrated"
    return ""


def _failure(path: Path, fault: str, status: int, trailer: Path) -> CalibrationError:
    lines = [line.strip() for line in trailer.read_text(errors="replace").splitlines() if line.strip()]
    errors = list(dict.fromkeys(line for line in lines if line.startswith("ERROR")))
    problem = " / ".join(errors[-_EXCERPT:] or lines[-_EXCERPT:] or ["it printed nothing"])
    return CalibrationError(path.name[:9], f"calwf3.e {fault}: {problem}", status, str(trailer))


def _move(copy: Path, products: tuple[Path | None, Path | None, Path]) -> None:
    """Move calwf3's products beside `copy` to their paths; those whose path is None are not moved."""
    for suffix, product in zip(("_ima.fits", "_flt.fits", ".tra"), products, strict=True):
        written = _product(copy, suffix)
        if product is not None and written.exists():
            shutil.move(written, product)


def _product(copy: Path, suffix: str) -> Path:
    return copy.with_name(copy.name.removesuffix("_raw.fits").removesuffix(".fits") + suffix)
