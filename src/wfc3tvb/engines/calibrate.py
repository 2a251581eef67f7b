"""Calibrate RAW files to IMA and FLT with either engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from wfc3tvb.calibration.bands import Work
from wfc3tvb.calibration.model import Switches
from wfc3tvb.config import Services
from wfc3tvb.display import Result
from wfc3tvb.engines import calwf3
from wfc3tvb.engines.ima_file import ImaFile
from wfc3tvb.engines.kept_reads import KeptReads
from wfc3tvb.engines.machine_code import loaded_kernels
from wfc3tvb.engines.products import CAL_VER, history_lines, ima_pieces, ima_primary, primary_header, write_flt
from wfc3tvb.engines.raw_reads import Imsets, read_imsets, read_primary
from wfc3tvb.engines.trailer import join_trailers, write_trailer
from wfc3tvb.errors import BadArgumentError, BadFileError, OutputExistsError, ReferenceFileError
from wfc3tvb.fits.association import exposures_of, is_association
from wfc3tvb.fits.calibrated_reads import CalibratedReads
from wfc3tvb.fits.cards import Cards
from wfc3tvb.instrument import DQ
from wfc3tvb.progress import Progress, silent
from wfc3tvb.references.locate import Loaded, find, load
from wfc3tvb.system.memory import keep_freed_memory
from wfc3tvb.system.threads import usable_threads

ENGINES = ("auto", "native", "calwf3")
_SWITCHED_ON = "PERFORM"
_KNOWN = {"PERFORM", "OMIT", "COMPLETE", "SKIPPED"}
#: Number of reads of a pixel flagged as hits in the input from which calwf3 may write past its buffers.
_MANY_HITS = 2


@dataclass(frozen=True, repr=False)
class CalResult(Result):
    """Result of the calibration of one exposure.

    Attributes
    ----------
    rootname : str
        Rootname of the exposure.
    engine, engine_version : str
        Engine that ran, and its version.
    crcorr : str
        CRCORR of the products: COMPLETE or OMIT.
    flt : Path
        The calibrated image.
    ima : Path or None
        The calibrated reads.
    trailer : Path or None
        The log.
    warnings : tuple of str
        Problems that calwf3 does not report.
    wall_s : float
        Time it took [s].
    """

    rootname: str
    engine: str
    engine_version: str
    crcorr: str
    flt: Path
    ima: Path | None
    trailer: Path | None
    warnings: tuple[str, ...]
    wall_s: float


@dataclass(frozen=True)
class Options:
    """Options of a calibration; see `calibrate`, and `calibrate_in_memory` for the last two."""

    crcorr: str = "header"
    write_ima: bool = True
    overwrite: bool = False
    outdir: Path | None = None
    iref: Path | None = None
    threads: int = 2
    keywords: Mapping[str, str] = field(default_factory=dict)
    receive: Callable[[CalibratedReads], object] | None = None


def calibrate(
    paths: Path | str | Sequence[Path | str],
    *,
    engine: str = "auto",
    crcorr: str = "header",
    write_ima: bool = True,
    overwrite: bool = False,
    outdir: Path | str | None = None,
    iref: Path | str | None = None,
    threads: int | None = None,
    progress: Progress = silent,
) -> list[CalResult]:
    """Calibrate RAW files, IMA files, or the members of associations, as calwf3 does.

    Parameters
    ----------
    paths : path or sequence of paths
        ``_raw.fits``, ``_ima.fits`` or ``_asn.fits`` files; the RAW files of an association must be in its folder.
    engine : {"auto", "native", "calwf3"}
        ``native`` is this package's engine, which ``auto`` takes; ``calwf3`` is STScI's program, from the PATH.
    crcorr : {"header", "omit", "perform"}
        The up-the-ramp fit: as the header says, left out, or done.
    write_ima : bool
        Whether to write the IMA (168 MB for a full frame). calwf3 writes it in any case; it is then deleted.
    overwrite : bool
        Whether existing products may be replaced.
    outdir : path, optional
        Folder of the products; by default that of the RAW file.
    iref : path, optional
        Folder that ``iref$`` in reference names stands for; by default the environment variable ``iref``.
    threads : int, optional
        Threads of the native engine; by default up to four, no more than there are cores.
    progress : Progress
        Called for each exposure, and while the native engine is compiled for the first time on a machine.

    Returns
    -------
    list of CalResult
        One per exposure; members of associations whose RAW file is absent are left out (`exposures_of` names them).

    Raises
    ------
    InputError
        If an argument makes no sense (`BadArgumentError`), a file cannot be calibrated (`BadFileError`), a reference
        is missing or does not match (`ReferenceFileError`), or a product exists already (`OutputExistsError`).
    CalibrationError
        If STScI's calwf3 fails.
    EngineMissingError
        If calwf3 is requested but not installed.
    """
    if engine not in ENGINES:
        raise BadArgumentError(f"unknown engine {engine!r}; choose auto, native or calwf3")
    if threads is not None and threads < 1:
        raise BadArgumentError(f"cannot calibrate with {threads} threads; give 1 or more")
    if crcorr not in ("header", "omit", "perform"):
        raise BadArgumentError(f"unknown crcorr {crcorr!r}; choose header, omit or perform")
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    folder = Path(outdir) if outdir is not None else None
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BadFileError(folder, "cannot create this folder", "give another one for the products") from error
    references = Path(iref) if iref is not None else Services().iref
    options = Options(crcorr, write_ima, overwrite, folder, references, threads or usable_threads())
    run = _run_calwf3 if calwf3.chosen(engine) else partial(_run_native, progress=progress)
    results: list[CalResult] = []
    expanded = [exposures_of(Path(path)) for path in given]
    exposures = [path for present, _ in expanded for path in present]
    for path in exposures:
        results.append(run(path, options))
        if len(exposures) > 1:
            progress("calibrate", len(results), len(exposures))
    for path, (present, _) in zip(map(Path, given), expanded, strict=True):
        if is_association(path):
            join_trailers(path, present, outdir=folder)
    return results


def calibrate_in_memory(
    path: Path,
    *,
    crcorr: str,
    keywords: Mapping[str, str],
    outdir: Path,
    iref: Path,
    threads: int,
    receive: Callable[[CalibratedReads], object] | None = None,
) -> CalResult:
    """Calibrate a RAW file with the native engine, without an IMA file; an existing FLT is replaced.

    Parameters
    ----------
    path, crcorr, outdir, iref, threads
        As in `calibrate`.
    keywords : mapping
        Values of the primary header that take the place of the file's, as switches and names of references.
    receive : callable, optional
        Called with the calibrated reads, which must not be fitted (crcorr "omit").
    """
    options = Options(crcorr, False, True, outdir, iref, threads, keywords, receive)
    return _run_native(path, options, silent)


def product_paths(path: Path, options: Options) -> tuple[Path, Path, Path]:
    """Return the paths of IMA, FLT and trailer of a RAW file.

    Raises
    ------
    OutputExistsError
        If one exists and may not be replaced.
    """
    root = path.name.removesuffix("_raw.fits").removesuffix(".fits")
    folder = options.outdir or path.parent
    ima, flt = folder / f"{root}_ima.fits", folder / f"{root}_flt.fits"
    for product in (flt, ima):
        if product.exists() and not options.overwrite:
            raise OutputExistsError(product)
    return ima, flt, folder / f"{root}.tra"


def switches_of(header: object, crcorr: str = "header", path: Path | None = None) -> Switches:
    """Return the steps that a header asks for, with CRCORR overridden by `crcorr`.

    Raises
    ------
    BadFileError
        If a switch has an unknown value.
    """
    values = {}
    for name in Switches.__dataclass_fields__:
        value = str(header.get(name.upper(), "OMIT")).strip().upper()  # type: ignore[attr-defined]
        if value not in _KNOWN:
            raise BadFileError(path or "header", f"{name.upper()} is {value!r}", "set it to PERFORM or OMIT")
        values[name] = value == _SWITCHED_ON
    if crcorr != "header":
        values["crcorr"] = crcorr == "perform"
    return Switches(**values)


def _run_native(path: Path, options: Options, progress: Progress) -> CalResult:
    switches = switches_of(_primary_of(path, options), options.crcorr, path)
    ima, flt, trailer = product_paths(path, options)
    if not any(value for name, value in vars(switches).items() if name != "unitcorr"):
        raw = path.name.endswith("_raw.fits")
        remedy = "set its switches" if raw else "it has been calibrated: give the _raw.fits file"
        raise BadFileError(path, "no step is set to PERFORM", remedy)
    try:
        return _calibrated(path, switches, options, (ima, flt, trailer), progress)
    except ReferenceFileError as error:
        error.exposure = path.name
        raise


def _primary_of(path: Path, options: Options) -> Cards:
    header = read_primary(path)
    header.update(options.keywords)
    return header


def _calibrated(
    path: Path, switches: Switches, options: Options, products: tuple[Path, Path, Path], progress: Progress
) -> CalResult:
    began = time.monotonic()
    ima, flt, trailer = products
    files = find(_primary_of(path, options), switches, iref=options.iref)
    with loaded_kernels(progress, fit=switches.crcorr):  # in a thread, while the files are read
        source = read_imsets(path)
        source.primary.update(options.keywords)
        if options.crcorr != "header":
            source.primary["CRCORR"] = options.crcorr.upper()
        loaded = load(source.primary, source.ramp, switches, files)
        light = loaded.data.overscan.window(source.ramp.shape)
        if switches.zsigcorr and source.ramp.err.stored[0][light.y0 : light.y1, light.x0 : light.x1].any():
            raise BadFileError(
                path, "has errors in its zeroth read, which ZSIGCORR cannot handle", "set ZSIGCORR to OMIT"
            )
        loaded = replace(loaded, warnings=(*loaded.warnings, *_undefined_in_calwf3(source, loaded)))
        rates = source.ramp.unit.endswith("/S")  # UNITCORR leaves rates unchanged, but is marked COMPLETE
        applied = replace(loaded.switches, unitcorr=loaded.switches.unitcorr and not rates)
        work = Work(source.ramp, loaded.data, applied)
    _write(source, loaded, work, options, (ima if options.write_ima else None, flt, trailer))
    done = "COMPLETE" if loaded.switches.crcorr else str(source.primary.get("CRCORR", "OMIT"))
    made = ima if options.write_ima else None
    if made is None:
        ima.unlink(missing_ok=True)  # an IMA of an earlier run does not belong to this FLT
    took = time.monotonic() - began
    return CalResult(source.rootname, "native", CAL_VER, done, flt, made, trailer, loaded.warnings, took)


def _undefined_in_calwf3(source: Imsets, loaded: Loaded) -> Iterator[str]:
    """Yield warnings about input for which calwf3's ramp fit overruns its buffers or divides by zero."""
    ramp, data, hit = source.ramp, loaded.data, int(DQ.DATAREJECT)
    start = ramp.time[0] if loaded.switches.zoffcorr else 0
    if loaded.switches.crcorr and np.any(ramp.time[1:] == start):
        yield "a read after the zeroth has TIME 0 and no weight; calwf3 may use values of the preceding pixel"
    light = data.overscan.window(ramp.shape)
    inner = slice(light.y0, light.y1), slice(light.x0, light.x1)
    common = [data.bad_pixels, data.linearity.dq if data.linearity else None]  # flags added to all reads
    if loaded.switches.zoffcorr:
        common.append(ramp.dq[0])
    in_all = [flags[inner] & hit for flags in common if flags is not None]
    arrays = any(int(read["DQ"]["NAXIS"]) for read in source.headers)
    flagged = any(flags[0, 0] & hit for flags in ramp.dq.stored)
    if not loaded.switches.crcorr or not (arrays or flagged or any(map(np.any, in_all))):
        return
    hits = np.count_nonzero(ramp.dq.rows(light.y0, light.y1)[1:, :, inner[1]] & hit, axis=0)
    for flags in in_all:
        hits[flags != 0] = _MANY_HITS
    if n := np.count_nonzero(hits >= _MANY_HITS):
        yield (
            f"{n} pixels have {_MANY_HITS} or more reads flagged {hit} in the input; they are fitted here, but "
            "calwf3 may write past its buffers and abort, or give other results"
        )


def _write(
    source: Imsets, loaded: Loaded, work: Work, options: Options, products: tuple[Path | None, Path, Path]
) -> None:
    from wfc3tvb.calibration.run import calibrate_bands, expected  # imported here: compiled code is slow to load

    ima, flt, trailer = products
    done = loaded.switches
    bad = int(source.headers[-1]["SCI"].number("SDQFLAGS", 65535))
    primary = primary_header(source, loaded, done)
    keep_freed_memory()
    history = list(history_lines(loaded, done, image=False))
    with _scratch_folder(flt) as scratch:
        if ima is None:
            kept = KeptReads(work.ramp) if options.receive else None
            store = {"store": kept.store} if kept else {}
            calibrated = calibrate_bands(work, bad=bad, threads=options.threads, **store)
            if kept and options.receive:
                name = flt.name.replace("_flt", "_ima")
                header = ima_primary(name, source, primary, history)
                options.receive(kept.result(flt.with_name(name), header, calibrated))
        else:
            with ImaFile(scratch / ima.name, ima_pieces(ima.name, source, expected(work), primary, history)) as file:
                calibrated = calibrate_bands(work, store=file.store, bad=bad, threads=options.threads)
                file.finish(ima_pieces(ima.name, source, calibrated, primary, history))
        history = list(history_lines(loaded, done, image=work.switches.unitcorr))
        write_flt(scratch / flt.name, source, calibrated, primary, history, fitted=done.crcorr)
        write_trailer(scratch / trailer.name, source, loaded, done, calibrated, before=trailer)
        for product in scratch.iterdir():
            product.replace(flt.with_name(product.name))


@contextmanager
def _scratch_folder(product: Path) -> Iterator[Path]:
    """Yield a folder beside a product, from which finished files are moved, so that no partial file is ever visible."""
    try:
        with TemporaryDirectory(prefix=".wfc3tvb-", dir=product.parent) as scratch:
            yield Path(scratch)
    except OSError as error:
        problem = f"cannot be written ({error.strerror or error})"
        raise BadFileError(product, problem, "check permissions and disk space, or give another folder") from error


def _run_calwf3(path: Path, options: Options) -> CalResult:
    began = time.monotonic()
    source = calwf3.rootname_of(path)
    ima, flt, trailer = product_paths(path, options)
    crcorr = calwf3.run(path, (ima, flt, trailer), crcorr=options.crcorr, iref=options.iref)
    if not options.write_ima:
        ima.unlink(missing_ok=True)
    made = ima if options.write_ima else None
    took = time.monotonic() - began
    return CalResult(source, "calwf3", calwf3.version(), crcorr, flt, made, trailer, (), took)
