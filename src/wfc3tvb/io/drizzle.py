"""The one door to stwcs and drizzlepac: alignment and AstroDrizzle, in a child process with a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wfc3tvb.errors import BadArgumentError, DrizzleError

#: What always holds. One process gives the same pixels as drizzlepac's default pool in half the time; bit 4096 of an
#: earlier run's rejection is cleared; the input's own headers and DQ are updated, not copies of them.
_ALWAYS: dict[str, Any] = {
    "num_cores": 1, "resetbits": 4096, "preserve": False, "clean": True, "build": True, "updatewcs": False,
}  # fmt: skip
#: Cosmic-ray rejection, whatever the MDRIZTAB says: `omit` leaves the cosmic rays in.
_REJECT: dict[str, Any] = {"driz_separate": True, "median": True, "blot": True, "driz_cr": True, "driz_cr_corr": False}
#: Memory that drizzling in memory may take [byte], and what a pixel of one exposure then takes [byte]
#: (measured: 482 MB for six full frames, 310 MB of it the libraries).
IN_MEMORY_LIMIT = 2 * 2**30
_BYTES_PER_PIXEL = 28
#: Lines of the log that an error carries.
_EXCERPT = 15


@dataclass(frozen=True)
class DrizzleSettings:
    """How to align and drizzle.

    Attributes
    ----------
    use_db : bool
        Take the astrometry service's solution; where it does not answer, the pointing's is kept and said.
    parameters : mapping
        AstroDrizzle parameters that override the MDRIZTAB's.
    timeout : float
        Seconds after which the child is stopped.
    """

    use_db: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 3600.0


@dataclass(frozen=True)
class Drizzled:
    """What the child process made.

    Attributes
    ----------
    path : Path or None
        The drizzled product; None where exposures were only aligned.
    log : Path
        All that stwcs and drizzlepac said.
    parameters : mapping
        Parameters given in the place of the MDRIZTAB's.
    versions : mapping
        Of stwcs and drizzlepac.
    warnings : tuple of str
        What to know: no astrometry service, too few exposures to reject cosmic rays well.
    wall_s, peak_rss_mb : float
        Time [s] and memory [Mbyte] taken.
    """

    path: Path | None
    log: Path
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    warnings: tuple[str, ...]
    wall_s: float
    peak_rss_mb: float


class DrizzleProcess:
    """A child process that loads its libraries and then waits for one job; a context manager.

    Parameters
    ----------
    folder : Path
        Where it works, and nobody else; made if it is not there.
    iref : Path
        Folder of the reference files (IDCTAB, MDRIZTAB).
    use_db : bool
        Whether it may ask the astrometry service.
    """

    def __init__(self, folder: Path, *, iref: Path, use_db: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.log = folder, folder / "drizzle.log"
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wfc3tvb.io.drizzle_child"], cwd=folder, env=_environment(iref, use_db=use_db),
                stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def run(self, job: Mapping[str, Any], name: str, timeout: float) -> dict[str, Any]:
        """Do a job and return the answer.

        Raises
        ------
        DrizzleError
            If it failed, was killed, or took longer than `timeout` [s].
        """
        path = self.folder / "drizzle.json"
        path.write_text(json.dumps(job, indent=1))
        answer = path.with_suffix(".answer")
        answer.unlink(missing_ok=True)
        try:
            self._process.communicate(f"{path.name}\n".encode(), timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise DrizzleError(name, f"not done after {timeout:g} s", _excerpt(self.log)) from error
        status = self._process.returncode
        if status or not answer.exists():
            problem = f"killed by signal {-status}" if status < 0 else _last_line(self.log)
            raise DrizzleError(name, f"updatewcs or AstroDrizzle failed: {problem}", _excerpt(self.log))
        return dict(json.loads(answer.read_text()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        elif self._process.stdin:
            self._process.stdin.close()


def drizzle(
    flts: Sequence[Path],
    product: str | None,
    folder: Path,
    *,
    iref: Path,
    settings: DrizzleSettings | None = None,
    weights: Sequence[float] | None = None,
) -> Drizzled:
    """Align calibrated exposures and combine them, in a process started for it; see `drizzle_in`.

    Parameters
    ----------
    folder : Path
        Where the exposures are and the child works; nobody else may.
    iref : Path
        Folder of the reference files (IDCTAB, MDRIZTAB).
    """
    with DrizzleProcess(folder, iref=iref, use_db=settings is not None and settings.use_db) as process:
        return drizzle_in(process, flts, product, settings=settings, weights=weights)


def drizzle_in(
    process: DrizzleProcess,
    flts: Sequence[Path],
    product: str | None,
    *,
    settings: DrizzleSettings | None = None,
    weights: Sequence[float] | None = None,
) -> Drizzled:
    """Align calibrated exposures and combine them, cosmic rays rejected.

    Parameters
    ----------
    process : DrizzleProcess
        What does it; it does one job.
    flts : sequence of Path
        FLT files in the process's folder; their headers and DQ are updated in place.
    product : str or None
        Name of the association: the product is ``<product>_drz.fits`` in the folder. None aligns only.
    settings : DrizzleSettings, optional
        How.
    weights : sequence of float, optional
        Inverse variance of a sky pixel of each exposure [(s/electron)^2]; exposures are weighted by time otherwise.

    Raises
    ------
    DrizzleError
        If the child failed, or made no product; it carries the end of the log. The exposures may be changed.
    """
    settings = settings or DrizzleSettings()
    names, folder = [path.name for path in flts], process.folder
    parameters = parameters_for(flts, settings.parameters, weighted=weights is not None) if product else {}
    inputs: list[str] | str = names if weights is None else _weighted_inputs(flts, weights, folder)
    job = {"files": names, "inputs": inputs, "product": product, "parameters": parameters, "use_db": settings.use_db}
    name = product or names[0]
    began = time.monotonic()
    answer = process.run(job, name, settings.timeout)
    path = folder / f"{product}_drz.fits" if product else None
    if path is not None and not path.exists():
        raise DrizzleError(name, "AstroDrizzle made no product", _excerpt(process.log))
    return Drizzled(
        path=path,
        log=process.log,
        parameters=parameters,
        versions=answer["versions"],
        warnings=_warnings(len(names), product, settings, answer),
        wall_s=time.monotonic() - began,
        peak_rss_mb=answer["peak_rss_mb"],
    )


def parameters_for(flts: Sequence[Path], given: Mapping[str, Any], *, weighted: bool = False) -> dict[str, Any]:
    """Return the AstroDrizzle parameters that override the MDRIZTAB's for these exposures."""
    parameters = _ALWAYS | {"in_memory": _fits_memory(flts)}
    if len(flts) > 1:
        parameters |= _REJECT
    if weighted:
        parameters |= {"final_wht_type": "IVM"}
    return parameters | dict(given)


def read_parameters(path: Path) -> dict[str, Any]:
    """Read AstroDrizzle parameters from a JSON file.

    Raises
    ------
    BadArgumentError
        If it is not a JSON object, or sets what this package decides (input, output, mdriztab).
    """
    try:
        parameters = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadArgumentError(f"--drizzle-pars {path}: not a JSON file that can be read ({error})") from error
    if not isinstance(parameters, dict):
        raise BadArgumentError(f'--drizzle-pars {path}: write an object, e.g. {{"final_pixfrac": 0.8}}')
    if taken := {"input", "output", "mdriztab", "updatewcs"} & set(parameters):
        raise BadArgumentError(f"--drizzle-pars {path}: {', '.join(sorted(taken))} cannot be set here")
    return parameters


def _fits_memory(flts: Sequence[Path]) -> bool:
    """Say whether the exposures can be drizzled in memory; a full frame's FLT has 12 to 16 bytes a pixel."""
    pixels = sum(path.stat().st_size for path in flts) / 12
    return pixels * _BYTES_PER_PIXEL < IN_MEMORY_LIMIT


def _environment(iref: Path, *, use_db: bool) -> dict[str, str]:
    """Return the child's environment: `iref` ends with a slash, no window, no connection unless wanted."""
    own = {"iref": f"{iref.absolute()}{os.sep}", "MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore"}
    return os.environ | own | {"ASTROMETRY_STEP_CONTROL": "ON" if use_db else "OFF", "OMP_NUM_THREADS": "1"}


def _weighted_inputs(flts: Sequence[Path], weights: Sequence[float], folder: Path) -> str:
    """Write an inverse-variance map for each exposure and return the list that pairs them, as AstroDrizzle reads it.

    AstroDrizzle takes maps of counts and multiplies them by the square of the exposure time.
    """
    import numpy as np
    from astropy.io import fits

    lines = []
    for path, weight in zip(flts, weights, strict=True):
        with fits.open(path) as hdus:
            shape, exptime = hdus["SCI", 1].data.shape, float(hdus[0].header.get("EXPTIME", 1.0))
        ivm = path.name.replace("_flt", "_ivm")
        image = fits.ImageHDU(np.full(shape, weight / exptime**2, np.float32), name="IVM", ver=1)
        fits.HDUList([fits.PrimaryHDU(), image]).writeto(folder / ivm, overwrite=True)
        lines.append(f"{path.name} {ivm}")
    (folder / "inputs.lis").write_text("\n".join(lines) + "\n")
    return "@inputs.lis"


def _warnings(n: int, product: str | None, settings: DrizzleSettings, answer: Mapping[str, Any]) -> tuple[str, ...]:
    said = []
    if settings.use_db and not answer["used_db"]:
        said.append("the astrometry service does not answer; the pointing's own solution is used")
    if product and n < 3:
        said.append(f"{n} exposure{'s' * (n > 1)}: cosmic rays are rejected badly or not at all")
    return tuple(said)


def _excerpt(log: Path) -> str:
    """Return the end of a log."""
    lines = log.read_text(errors="replace").rstrip().splitlines() if log.exists() else []
    return "\n".join(lines[-_EXCERPT:])


def _last_line(log: Path) -> str:
    return _excerpt(log).rsplit("\n", 1)[-1].strip()[:300] or "it said nothing"
