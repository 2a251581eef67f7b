"""Alignment (stwcs) and AstroDrizzle (drizzlepac) in a child process with its own folder."""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from wfc3tvb.display import counted
from wfc3tvb.errors import BadArgumentError, DrizzleError
from wfc3tvb.fits.images import fill_not_finite, header_of
from wfc3tvb.instrument import DQ
from wfc3tvb.repair.astrodrizzle_process import ERROR, LOG
from wfc3tvb.system.children import environment_of_child

#: Fixed parameters. One process gives the same pixels as drizzlepac's default pool in half the time; bit 4096 from an
#: earlier rejection is cleared; headers and DQ of the input files are updated in place.
_ALWAYS: dict[str, Any] = {
    "num_cores": 1, "resetbits": 4096, "preserve": False, "clean": True, "build": True, "updatewcs": False,
}  # fmt: skip
#: Cosmic-ray rejection is always on, whatever the MDRIZTAB says, because `omit` leaves cosmic rays in the exposures.
_REJECT: dict[str, Any] = {"driz_separate": True, "median": True, "blot": True, "driz_cr": True, "driz_cr_corr": False}
#: Flags that are accepted in addition to those of the MDRIZTAB: ZEROSIG marks signal in the zeroth read, which ZSIGCORR
#: has corrected. The ramp fit clears it but `omit` keeps it in the brightest pixels of stars, and if these were masked,
#: stars would lose 5 % of their flux or more.
GOOD_BITS = int(DQ.ZEROSIG)
#: Largest memory for drizzling in memory [byte], and memory per pixel of an exposure [byte] (measured: 612 MB for six
#: full frames, 357 MB of it for the libraries).
IN_MEMORY_LIMIT = 2 * 2**30
_BYTES_PER_PIXEL = 41


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
        If it is not a JSON object, or sets a parameter that this package controls (input, output, mdriztab).
    """
    try:
        parameters = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadArgumentError(
            f"drizzle parameters {path}: cannot be read as JSON ({error}); correct the file"
        ) from error
    if not isinstance(parameters, dict):
        problem = f"drizzle parameters {path}: not a JSON object"
        raise BadArgumentError(f'{problem}; write, e.g., {{"final_pixfrac": 0.8}}')
    if fixed := {"input", "output", "mdriztab", "updatewcs"} & set(parameters):
        raise BadArgumentError(f"drizzle parameters {path}: {', '.join(sorted(fixed))} cannot be set; remove it")
    return parameters


def _fits_memory(flts: Sequence[Path]) -> bool:
    """Return whether the exposures can be drizzled in memory; an FLT has 12 to 16 bytes per pixel."""
    pixels = sum(path.stat().st_size for path in flts) / 12
    return pixels * _BYTES_PER_PIXEL < IN_MEMORY_LIMIT


#: Number of lines of the log in an error.
_EXCERPT = 15
#: Seconds to wait for a process to end by itself, in general and after a failure.
_GRACE, _GRACE_AFTER_FAILURE = 0.5, 30.0


@dataclass(frozen=True)
class DrizzleSettings:
    """Settings of alignment and drizzling.

    Attributes
    ----------
    use_db : bool
        Use the astrometry service's solution; where it does not answer, that of the pointing is kept, with a warning.
    parameters : mapping
        AstroDrizzle parameters that override the MDRIZTAB's.
    timeout : float
        Seconds after which the child is stopped.
    by : str
        ``astrodrizzle``; ``native``, its steps with arrays in memory and the same pixels; or ``auto``, native unless a
        parameter needs AstroDrizzle.
    """

    use_db: bool = False
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout: float = 3600.0
    by: str = "auto"


@dataclass(frozen=True)
class Drizzled:
    """Result of alignment and drizzling.

    Attributes
    ----------
    path : Path or None
        The drizzled product; None where exposures were only aligned.
    log : Path
        Output of stwcs and drizzlepac.
    parameters : mapping
        Parameters that override the MDRIZTAB's.
    versions : mapping
        Versions of stwcs and drizzlepac.
    warnings : tuple of str
        Warnings: no astrometry service, too few exposures to reject cosmic rays well.
    wall_s, peak_rss_mb : float
        Time [s] and memory [Mbyte] taken.
    dropped : tuple of str
        Rootnames of exposures that AstroDrizzle left out.
    by : str
        ``native`` or ``astrodrizzle``; empty where exposures were only aligned.
    """

    path: Path | None
    log: Path
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    warnings: tuple[str, ...]
    wall_s: float
    peak_rss_mb: float
    dropped: tuple[str, ...] = ()
    by: str = ""


class DrizzleProcess:
    """Child process that loads its libraries once and runs one job after another; a context manager.

    After a failure or a stop, the next job starts a new process.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._early_output: IO[bytes] | None = None  # errors before its first job, e.g. from loading the libraries

    def start(self) -> None:
        """Start the process unless it is running, so that it loads its libraries in the background."""
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._early_output = tempfile.TemporaryFile()  # noqa: SIM115 (closed by stop)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wfc3tvb.repair.astrodrizzle_process"], env=_environment(),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._early_output,
            )  # fmt: skip

    def run(self, job: Mapping[str, Any], folder: Path, name: str, timeout: float) -> dict[str, Any]:
        """Run a job in its own folder, where the log remains, and return the answer.

        Raises
        ------
        DrizzleError
            If it failed, was killed, or took longer than `timeout` [s].
        """
        path, log = folder.absolute() / "drizzle.json", folder / LOG
        path.write_text(json.dumps(job, indent=1))
        answer, failed = path.with_suffix(".answer"), path.with_suffix(ERROR)
        for old in (answer, failed, log):
            old.unlink(missing_ok=True)
        self.start()
        if not self._send(path, timeout):
            self.stop()
            raise DrizzleError(name, f"drizzling was not finished after {timeout:g} s", _excerpt(log))
        if not answer.exists():
            if not log.exists() and self._early_output is not None:
                self._early_output.seek(0)
                log.write_bytes(self._early_output.read())
            status = self.stop(grace=_GRACE_AFTER_FAILURE)
            problem = f"killed by signal {-status}" if status < 0 else _last_line(failed if failed.exists() else log)
            raise DrizzleError(name, f"updatewcs or AstroDrizzle failed: {problem}", _excerpt(log), killed=status < 0)
        return dict(json.loads(answer.read_text()))

    def _send(self, path: Path, timeout: float) -> bool:
        """Send the name of a job and wait until it is done or the process ends; False if that takes too long."""
        assert self._process is not None and self._process.stdin is not None and self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(f"{path}\n".encode())
            self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        if ready:
            self._process.stdout.readline()
        return bool(ready)

    def stop(self, grace: float = _GRACE) -> int:
        """Stop the process, after waiting for it to end by itself, and return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (process.stdin, process.stdout, self._early_output):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()
        try:
            return process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


@cache
def warm_process() -> DrizzleProcess:
    """Return the drizzling process that is kept for all jobs of this process."""
    process = DrizzleProcess()
    atexit.register(process.stop)
    return process


def drizzle(
    process: DrizzleProcess,
    flts: Sequence[Path],
    product: str | None,
    *,
    iref: Path,
    settings: DrizzleSettings | None = None,
    weights: Sequence[float] | None = None,
) -> Drizzled:
    """Align calibrated exposures and combine them, rejecting cosmic rays.

    Parameters
    ----------
    process : DrizzleProcess
        Process to use.
    flts : sequence of Path
        FLT files in a folder that is used for nothing else; their headers and DQ are updated in place, and pixels that
        are not finite are filled and flagged.
    product : str or None
        Name of the association: the product is ``<product>_drz.fits`` in the folder. None aligns only.
    iref : Path
        Folder of the reference files (IDCTAB, MDRIZTAB).
    settings : DrizzleSettings, optional
        Settings.
    weights : sequence of float, optional
        Inverse variance of a sky pixel of each exposure [(s/electron)^2]; by default exposures are weighted by time.

    Raises
    ------
    DrizzleError
        If the process fails, makes no product, or leaves out an exposure with light; the error has the end of the log.
        The exposures may be changed.
    """
    settings = settings or DrizzleSettings()
    filled = {path.name[:9]: fill_not_finite(path) for path in flts}
    names, folder = [path.name for path in flts], flts[0].parent
    parameters = parameters_for(flts, settings.parameters, weighted=weights is not None) if product else {}
    inputs: list[str] | str = names if weights is None else _weighted_inputs(flts, weights, folder)
    job = {
        "files": names, "inputs": inputs, "product": product, "parameters": parameters, "use_db": settings.use_db,
        "iref": f"{iref.absolute()}{os.sep}", "good_bits": GOOD_BITS, "by": settings.by,
    }  # fmt: skip
    name = product or names[0]
    began = time.monotonic()
    answer = process.run(job, folder, name, settings.timeout)
    path = folder / f"{product}_drz.fits" if product else None
    if path is not None and not path.exists():
        raise DrizzleError(name, "AstroDrizzle made no product", _excerpt(folder / LOG))
    dropped = _dropped(flts, path)
    if unread := [each.name for each in dropped if _has_light(each)]:
        raise DrizzleError(name, f"AstroDrizzle could not read {', '.join(unread)}", _excerpt(folder / LOG))
    return Drizzled(
        path=path,
        log=folder / LOG,
        parameters=parameters,
        versions=answer["versions"],
        warnings=_warnings(len(names), product, answer) + _filled(filled),
        wall_s=time.monotonic() - began,
        peak_rss_mb=answer["peak_rss_mb"],
        dropped=tuple(each.name[:9] for each in dropped),
        by=answer["by"],
    )


def _environment() -> dict[str, str]:
    """Return the environment of the child process: no graphics window, one thread."""
    settings = {"MPLBACKEND": "Agg", "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"}
    return os.environ | settings | environment_of_child()


def _weighted_inputs(flts: Sequence[Path], weights: Sequence[float], folder: Path) -> str:
    """Write an inverse-variance map for each exposure, and return the name of the list that AstroDrizzle reads.

    AstroDrizzle expects maps for counts, which it multiplies by the square of the exposure time.
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


def _warnings(n: int, product: str | None, answer: Mapping[str, Any]) -> tuple[str, ...]:
    remarks = []
    if answer["astrometry"]:
        remarks.append(f"{answer['astrometry']}; the pointing's own solution is used")
    if product and n < 3:
        remarks.append(f"{n} exposure{'s' * (n > 1)}: cosmic rays are rejected poorly or not at all")
    return tuple(remarks)


def _filled(numbers: Mapping[str, int]) -> tuple[str, ...]:
    """Return remarks on exposures with pixels that were not finite."""
    return tuple(f"{counted(n, 'pixel')} of {name} not finite, and left out" for name, n in numbers.items() if n)


def _dropped(flts: Sequence[Path], product: Path | None) -> list[Path]:
    """Return the exposures that are not in a drizzled image, by its header."""
    if product is None:
        return []
    header = header_of(product)
    used = {str(header.get(f"D{number:03d}DATA", ""))[:9] for number in range(1, len(flts) + 1)}
    return [path for path in flts if path.name[:9] not in used]


def _has_light(flt: Path) -> bool:
    """Return whether an exposure is not to be left out; AstroDrizzle takes one that it cannot read for missing."""
    from astropy.io import fits

    n_good = fits.getval(flt, "NGOODPIX", ("SCI", 1))
    return bool(n_good) and float(header_of(flt).get("EXPTIME", 0.0)) > 0


def _excerpt(log: Path) -> str:
    """Return the end of a log."""
    lines = log.read_text(errors="replace").rstrip().splitlines() if log.exists() else []
    return "\n".join(lines[-_EXCERPT:])


def _last_line(log: Path) -> str:
    return _excerpt(log).rsplit("\n", 1)[-1].strip()[:300] or "no output"
