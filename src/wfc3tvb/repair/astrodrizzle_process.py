"""Child process that runs stwcs and drizzlepac: ``python -m wfc3tvb.repair.astrodrizzle_process``.

These libraries keep global state, print, read ``iref`` from the environment and write into the current folder, so they
run in their own process. It loads them once (which takes seconds), reads names of JSON files from standard input, one
per line, and runs these jobs in turn, each in the folder of its file. Their output goes to ``drizzle.log`` there, and
the answer to ``<job>.answer``; a line on standard output confirms it. A job that fails ends the process, with the error
in ``<job>.error``.
"""

from __future__ import annotations

import copy
import gc
import json
import os
import sys
import time
import traceback
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any

from astropy.io import fits

from wfc3tvb.system.children import end_with_parent
from wfc3tvb.system.imports import deferred, without_list_of_packages
from wfc3tvb.system.memory import forget_peak, peak_mb

ASTROMETRY_URL = "https://mast.stsci.edu/portal/astrometryDB/"
#: Environment variable from which stwcs takes the folder of references.
IREF = "iref"
LOG = "drizzle.log"
#: Suffix of the file with the error of a job.
ERROR = ".error"
#: Number of attempts to reach the astrometry service, and timeout of each [s].
_TRIES, _TIMEOUT = 3, 10.0
#: Modules of drizzlepac that drizzling does not use, and that import sklearn, pandas, photutils and matplotlib.
_NOT_USED = (
    "align", "buildwcs", "catalogs", "haputils.astrometric_utils", "haputils.cell_utils", "haputils.processing_utils",
    "imagefindpars", "imgclasses", "mapreg", "photeq", "pixtopix", "pixtosky", "refimagefindpars", "runastrodriz",
    "skytopix", "tweakback", "tweakreg", "tweakutils", "updatenpol",
)  # fmt: skip
#: Most results of reading files that are kept.
_KEPT = 500
#: Objects created between two garbage collections; headers consist of hundreds of thousands of small objects.
_COLLECT_EVERY = 100_000


def main(path: Path) -> None:
    """Run the job that a JSON file describes, and write the answer into the same folder."""
    job: dict[str, Any] = json.loads(path.read_text())
    began = time.monotonic()
    astrometry = align(job["files"], use_db=bool(job["use_db"]))
    aligned, used = time.monotonic(), ""
    if job["product"]:
        parameters = with_good_bits(job["files"], job["parameters"], int(job["good_bits"]))
        used = drizzle(job["inputs"], job["product"], parameters, by=job["by"])
    answer = {
        "by": used,
        "astrometry": astrometry,
        "align_s": aligned - began,
        "drizzle_s": time.monotonic() - aligned,
        "peak_rss_mb": peak_mb(),
        "versions": {name: version(name) for name in ("stwcs", "drizzlepac")},
    }
    path.with_suffix(".answer").write_text(json.dumps(answer))


def astrometry_answers() -> bool:
    """Return whether the astrometry service answers; stwcs itself would wait for minutes."""
    url = os.environ.get("ASTROMETRY_SERVICE_URL", ASTROMETRY_URL)
    for attempt in range(_TRIES):
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/availability", timeout=_TIMEOUT):
                return True
        except OSError:
            time.sleep(attempt)
    return False


def align(files: Sequence[str], *, use_db: bool) -> str:
    """Write the distortion of IDCTAB (and, with `use_db`, the astrometry service's solution) into the headers.

    Exposures with the service's solution would not match others without it, so all get it or none. A missing distortion
    is an error, because AstroDrizzle would silently drizzle without it.

    Returns
    -------
    str
        Reason why the pointing's own solution was used although the service's was requested; empty otherwise.
    """
    problem = _align_to_service(files) if use_db else ""
    if problem or not use_db:
        _update(files, use_db=False)
    for name in files:
        if not str(fits.getval(name, "CTYPE1", ("SCI", 1))).endswith("-SIP"):
            raise RuntimeError(f"{name}: updatewcs wrote no distortion into the header; check that its IDCTAB exists")
    return problem


def _align_to_service(files: Sequence[str]) -> str:
    """Apply the service's solutions; return the problem if there is not one for every exposure."""
    if not astrometry_answers():
        return "the astrometry service does not answer"
    try:
        _update(files, use_db=True)
    except (OSError, ValueError, NameError) as error:  # NameError: from stwcs when it reports a lost connection
        return f"the connection to the astrometry service was lost ({type(error).__name__})"
    # stwcs ignores later failures of the service; only the solution's name, IDC_<table>-<fit>, shows them.
    without = [Path(name).name[:9] for name in files if "-" not in str(fits.getval(name, "WCSNAME", ("SCI", 1)))]
    return f"the astrometry service gave no solution for {', '.join(without)}" if without else ""


def _update(files: Sequence[str], *, use_db: bool) -> None:
    from stwcs.updatewcs import updatewcs

    os.environ["ASTROMETRY_STEP_CONTROL"] = "ON" if use_db else "OFF"
    updatewcs(list(files), use_db=use_db)


def with_good_bits(files: Sequence[str], parameters: Mapping[str, Any], bits: int) -> dict[str, Any]:
    """Return parameters that accept flags in addition to those of the MDRIZTAB; given parameters are unchanged."""
    from drizzlepac.mdzhandler import getMdriztabParameters

    seed = getMdriztabParameters(list(files))
    added = {name: int(seed[name]) | bits for name in ("driz_sep_bits", "final_bits") if bits and seed.get(name)}
    return added | dict(parameters)


def drizzle(inputs: Sequence[str] | str, product: str, parameters: Mapping[str, Any], *, by: str) -> str:
    """Combine exposures with the MDRIZTAB's parameters, overridden by those given, and return who did it.

    Parameters
    ----------
    inputs, product, parameters
        As AstroDrizzle takes them.
    by : str
        ``astrodrizzle``, ``native`` (its steps with arrays in memory), or ``auto``: native if all parameters allow it.
    """
    from drizzlepac.astrodrizzle import AstroDrizzle

    from wfc3tvb.repair.drizzling import steps

    if by != "astrodrizzle":
        try:
            steps.drizzle(inputs, product, parameters)
        except steps.UnsupportedError as error:
            if by == "native":
                raise
            sys.stdout.write(f"drizzled by AstroDrizzle, because the native steps do not support: {error}\n")  # the log
        else:
            return "native"
    AstroDrizzle(inputs, output=product, mdriztab=True, **parameters)
    return "astrodrizzle"


def kept(read: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that reads the same of a file only once, until the file changes.

    stwcs reads the distortion of a chip and filter twice for each exposure, and stsci.tools opens a file before it
    opens it, to know its kind.

    Parameters
    ----------
    read : callable
        Takes the name of a file, or something else, of which nothing is kept, and options.
    """
    from stsci.tools.fileutil import osfn

    found: dict[tuple[Any, ...], Any] = {}

    def known(name: Any, **options: Any) -> Any:
        path = Path(osfn(name)).absolute() if isinstance(name, str) else None
        if path is None or not path.exists():
            return read(name, **options)
        status = path.stat()
        key = path, status.st_ino, status.st_mtime_ns, status.st_size, *sorted(options.items(), key=str)
        if key not in found:
            if len(found) >= _KEPT:
                found.clear()
            found[key] = read(name, **options)
        return copy.deepcopy(found[key])  # stwcs changes it

    return known


def load() -> None:
    """Load the libraries before the first job."""
    import astropy.io.fits.card

    with without_list_of_packages(), deferred([f"drizzlepac.{name}" for name in _NOT_USED]):
        import stwcs.updatewcs  # noqa: F401
        from stsci.tools import fileutil
        from stwcs.distortion import mutil

        import wfc3tvb.repair.drizzling.steps  # noqa: F401
    mutil.readIDCtab, fileutil.isFits = kept(mutil.readIDCtab), kept(fileutil.isFits)

    # astropy validates its settings whenever a card is read, a hundred thousand times per job, a tenth of its time.
    settings = {name: item() for name, item in vars(type(fits.conf)).items() if not name.startswith("_")}
    astropy.io.fits.card.conf = SimpleNamespace(**settings)
    gc.set_threshold(_COLLECT_EVERY)


def begin_job(folder: Path, iref: str) -> tuple[int, int]:
    """Change to a folder, redirect output into its log, and reset the peak memory; return the previous outputs."""
    before = os.dup(1), os.dup(2)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    os.environ[IREF] = iref
    os.chdir(folder)
    forget_peak()
    return before


def end_job(before: tuple[int, int]) -> None:
    """Restore the outputs from before a job."""
    sys.stdout.flush()
    sys.stderr.flush()
    for number, old in zip((1, 2), before, strict=True):
        os.dup2(old, number)
        os.close(old)


def _note_error(path: Path, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write the error that ends the process into a file, and its traceback into the log."""
    path.write_text("".join(traceback.format_exception_only(error)).strip())
    sys.__excepthook__(kind, error, trace)


def serve() -> None:
    """Run jobs until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    load()
    for line in sys.stdin:
        path = Path(line.strip())
        job = json.loads(path.read_text())
        before = begin_job(path.parent, job["iref"])
        sys.excepthook = partial(_note_error, path.with_suffix(ERROR))
        main(path)  # an exception goes into the log, where other lines may follow it, and ends the process
        end_job(before)
        answers.write("done\n")
        answers.flush()


if __name__ == "__main__":
    end_with_parent()
    serve()
