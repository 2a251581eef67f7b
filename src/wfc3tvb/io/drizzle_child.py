"""The child process in which stwcs and drizzlepac run: ``python -m wfc3tvb.io.drizzle_child``.

They keep global state, print, read ``iref`` from the environment and write where they stand, so each product gets
a process and a folder of its own. It loads them (seconds), then reads the name of a JSON file from standard input
and does that job. What they print goes to the parent's log; the answer goes to ``<job>.answer``.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from astropy.io import fits

ASTROMETRY_URL = "https://mast.stsci.edu/portal/astrometryDB/"
#: Tries, and seconds for each, before the astrometry service is given up.
_TRIES, _TIMEOUT = 3, 10.0


def main(path: Path) -> None:
    """Do the job that a JSON file describes, and write the answer beside it."""
    job: dict[str, Any] = json.loads(path.read_text())
    began = time.monotonic()
    use_db = bool(job["use_db"]) and astrometry_answers()
    align(job["files"], use_db=use_db)
    aligned = time.monotonic()
    if job["product"]:
        drizzle(job["inputs"], job["product"], job["parameters"])
    answer = {
        "used_db": use_db,
        "align_s": aligned - began,
        "drizzle_s": time.monotonic() - aligned,
        "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "versions": {name: version(name) for name in ("stwcs", "drizzlepac")},
    }
    path.with_suffix(".answer").write_text(json.dumps(answer))


def astrometry_answers() -> bool:
    """Say whether the astrometry service answers; stwcs itself would wait minutes for one that is away."""
    url = os.environ.get("ASTROMETRY_SERVICE_URL", ASTROMETRY_URL)
    for attempt in range(_TRIES):
        try:
            with urllib.request.urlopen(url, timeout=_TIMEOUT):
                return True
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return True
        except OSError:
            pass
        time.sleep(attempt)
    return False


def align(files: Sequence[str], *, use_db: bool) -> None:
    """Put the distortion of IDCTAB (and, with `use_db`, the service's solution) into the headers.

    Without it AstroDrizzle would drizzle with no distortion, and not say so.
    """
    from stwcs.updatewcs import updatewcs

    updatewcs(list(files), use_db=use_db)
    for name in files:
        if not str(fits.getval(name, "CTYPE1", ("SCI", 1))).endswith("-SIP"):
            raise RuntimeError(f"{name}: updatewcs left no distortion in the header; is its IDCTAB there?")


def drizzle(inputs: Sequence[str] | str, product: str, parameters: Mapping[str, Any]) -> None:
    """Run AstroDrizzle with the MDRIZTAB's parameters, those given in their place."""
    from drizzlepac.astrodrizzle import AstroDrizzle

    AstroDrizzle(inputs, output=product, mdriztab=True, **parameters)


def load() -> None:
    """Load the libraries while there is nothing to do yet."""
    import stwcs.updatewcs  # noqa: F401


if __name__ == "__main__":
    load()
    if name := sys.stdin.readline().strip():
        main(Path(name))
