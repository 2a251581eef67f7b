"""The child process in which stwcs and drizzlepac run: ``python -m wfc3tvb.repair.astrodrizzle_process``.

They keep global state, print, read ``iref`` from the environment and write where they stand, so they get a process of
their own. It loads them once (seconds), then reads the names of JSON files from standard input, a line each, and does
those jobs one after another, each in the folder of its file. What they print goes to ``drizzle.log`` there, the answer
to ``<job>.answer``; a line on standard output says that it is written. A job that fails ends the process.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from astropy.io import fits

from wfc3tvb.system.memory import forget_peak, peak_mb

ASTROMETRY_URL = "https://mast.stsci.edu/portal/astrometryDB/"
#: Variable that names the folder of references, as stwcs reads it.
IREF = "iref"
LOG = "drizzle.log"
#: Tries, and seconds for each, before the astrometry service is given up.
_TRIES, _TIMEOUT = 3, 10.0
#: Objects made between two searches for circles of them: headers are hundreds of thousands of small objects.
_COLLECT_EVERY = 100_000


def main(path: Path) -> None:
    """Do the job that a JSON file describes, and write the answer beside it."""
    job: dict[str, Any] = json.loads(path.read_text())
    began = time.monotonic()
    astrometry = align(job["files"], use_db=bool(job["use_db"]))
    aligned = time.monotonic()
    if job["product"]:
        parameters = with_good_bits(job["files"], job["parameters"], int(job["good_bits"]))
        drizzle(job["inputs"], job["product"], parameters)
    answer = {
        "astrometry": astrometry,
        "align_s": aligned - began,
        "drizzle_s": time.monotonic() - aligned,
        "peak_rss_mb": peak_mb(),
        "versions": {name: version(name) for name in ("stwcs", "drizzlepac")},
    }
    path.with_suffix(".answer").write_text(json.dumps(answer))


def astrometry_answers() -> bool:
    """Say whether the astrometry service answers; stwcs itself would wait minutes for one that is away."""
    url = os.environ.get("ASTROMETRY_SERVICE_URL", ASTROMETRY_URL)
    for attempt in range(_TRIES):
        try:
            with urllib.request.urlopen(f"{url.rstrip('/')}/availability", timeout=_TIMEOUT):
                return True
        except OSError:
            time.sleep(attempt)
    return False


def align(files: Sequence[str], *, use_db: bool) -> str:
    """Put the distortion of IDCTAB (and, with `use_db`, the astrometry service's solution) into the headers.

    Exposures of which only some have the service's solution would not fit each other, so all have it, or none. Without
    distortion AstroDrizzle would drizzle all the same, and not say so.

    Returns
    -------
    str
        Why the pointing's own solution was taken though the service's was asked for; empty otherwise.
    """
    problem = _align_to_service(files) if use_db else ""
    if problem or not use_db:
        _update(files, use_db=False)
    for name in files:
        if not str(fits.getval(name, "CTYPE1", ("SCI", 1))).endswith("-SIP"):
            raise RuntimeError(f"{name}: updatewcs left no distortion in the header; is its IDCTAB there?")
    return problem


def _align_to_service(files: Sequence[str]) -> str:
    """Take the service's solutions; return what kept it from giving one for every exposure."""
    if not astrometry_answers():
        return "the astrometry service does not answer"
    try:
        _update(files, use_db=True)
    except (OSError, ValueError, NameError) as error:  # NameError: stwcs trips over its own report of a lost connection
        return f"the astrometry service broke off ({type(error).__name__})"
    # stwcs goes on without a word where the service fails later; only the solution's name tells: IDC_<table>-<fit>.
    without = [Path(name).name[:9] for name in files if "-" not in str(fits.getval(name, "WCSNAME", ("SCI", 1)))]
    return f"the astrometry service gave no solution for {', '.join(without)}" if without else ""


def _update(files: Sequence[str], *, use_db: bool) -> None:
    from stwcs.updatewcs import updatewcs

    os.environ["ASTROMETRY_STEP_CONTROL"] = "ON" if use_db else "OFF"
    updatewcs(list(files), use_db=use_db)


def with_good_bits(files: Sequence[str], parameters: Mapping[str, Any], bits: int) -> dict[str, Any]:
    """Return parameters with flags added to those that the MDRIZTAB lets pass; what is given already stays."""
    from drizzlepac.mdzhandler import getMdriztabParameters

    seed = getMdriztabParameters(list(files))
    added = {name: int(seed[name]) | bits for name in ("driz_sep_bits", "final_bits") if bits and seed.get(name)}
    return added | dict(parameters)


def drizzle(inputs: Sequence[str] | str, product: str, parameters: Mapping[str, Any]) -> None:
    """Run AstroDrizzle with the MDRIZTAB's parameters, those given in their place."""
    from drizzlepac.astrodrizzle import AstroDrizzle

    AstroDrizzle(inputs, output=product, mdriztab=True, **parameters)


def load() -> None:
    """Load the libraries while there is nothing to do yet."""
    import astropy.io.fits.card
    import stwcs.updatewcs  # noqa: F401

    # astropy validates its settings whenever a card is read, a hundred thousand times in a job: a tenth of its time.
    settings = {name: item() for name, item in vars(type(fits.conf)).items() if not name.startswith("_")}
    astropy.io.fits.card.conf = SimpleNamespace(**settings)
    gc.set_threshold(_COLLECT_EVERY)


def stand_in(folder: Path, iref: str) -> tuple[int, int]:
    """Go to a folder, print into its log, count memory from here on; return where output and errors went before."""
    before = os.dup(1), os.dup(2)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in (1, 2):
        os.dup2(log, number)
    os.close(log)
    os.environ[IREF] = iref
    os.chdir(folder)
    forget_peak()
    return before


def step_back(before: tuple[int, int]) -> None:
    """Print again where it was printed before a job."""
    sys.stdout.flush()
    sys.stderr.flush()
    for number, old in zip((1, 2), before, strict=True):
        os.dup2(old, number)
        os.close(old)


def serve() -> None:
    """Do jobs until there are no more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    load()
    for line in sys.stdin:
        path = Path(line.strip())
        job = json.loads(path.read_text())
        before = stand_in(path.parent, job["iref"])
        main(path)  # what it raises goes into the log, and ends the process
        step_back(before)
        answers.write("done\n")
        answers.flush()


if __name__ == "__main__":
    serve()
