"""Repair of one RAW file without a catalog or an archive, for notebooks."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from wfc3tvb.config import MeasureSettings, Services
from wfc3tvb.display import Result
from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.errors import BadArgumentError, OutputExistsError, RefusedError
from wfc3tvb.fits.change_reads import change_reads
from wfc3tvb.fits.images import copy_raw, header_of
from wfc3tvb.instrument import is_grism
from wfc3tvb.measurement import measure
from wfc3tvb.models import Measurement
from wfc3tvb.references.crds import header_references
from wfc3tvb.repair.choose import frame_size
from wfc3tvb.repair.choose_method import curve_of_reads
from wfc3tvb.repair.methods import EngineFiles, Image
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.recalibrate import apply_method, describe
from wfc3tvb.schema.methods import METHODS, alternatives
from wfc3tvb.system.files import atomic_write

_PREFIX = "flattened"


@dataclass(frozen=True, repr=False)
class FlattenedRamp(Result):
    """Products of `flatten_ramp`.

    Attributes
    ----------
    flt : Path
        The repaired image.
    ima : Path or None
        The calibrated reads, as the fit saw them.
    measured : Measurement
        Curve of the sky, and verdict.
    """

    flt: Path
    ima: Path | None
    measured: Measurement


def flatten_ramp(
    raw: str | Path,
    *,
    method: str = "flatten",
    engine: str = "auto",
    iref: str | Path | None = None,
    outdir: str | Path | None = None,
    write_ima: bool = True,
    overwrite: bool = False,
    settings: MeasureSettings | None = None,
    threads: int = 2,
) -> FlattenedRamp:
    """Repair the ramps of one RAW file with the sky measured between its own reads.

    This is what ``make_flattened_ramp_flt`` of wfc3tools does, without calwf3: the exposure is calibrated without the
    ramp fit, the sky of every read is measured, and the ramps are fitted with its changes removed. The RAW file is not
    changed, and needs no association table beside it.

    Parameters
    ----------
    raw : path
        A ``_raw.fits`` file.
    method : {"flatten", "optimal", "omit", "mask_reads"}, optional
        ``flatten``: calwf3's fit of the flattened ramp (WFC3 ISR 2016-16); ``optimal``: the likelihood fit, which has
        the lowest noise; ``omit``: last read minus zeroth; ``mask_reads``: without the affected reads.
    engine : {"auto", "native", "calwf3"}, optional
        Engine of the calibration before the fit.
    iref : path, optional
        Folder of the reference files that the RAW header names; by default the environment variable ``iref``.
    outdir : path, optional
        Folder of the products; by default that of the RAW file.
    write_ima : bool, optional
        Whether to write the calibrated reads: flattened, or, for optimal, with 8192 in the DQ of reads from a hit on.
    overwrite : bool, optional
        Whether existing products may be replaced.
    settings : MeasureSettings, optional
        Settings of the measurement of the sky.
    threads : int, optional
        Threads of the native engine.

    Returns
    -------
    FlattenedRamp
        Paths ``flattened_<rootname>_flt.fits`` and ``flattened_<rootname>_ima.fits``, and the measurement.

    Raises
    ------
    InputError
        If a file cannot be calibrated (`BadFileError`), a reference is missing (`MissingReferenceError`), a product
        exists (`OutputExistsError`), there is no such method or folder (`BadArgumentError`).
    RefusedError
        If the exposure was taken with a grism, its sky cannot be measured, or too few reads would be left.
    EngineMissingError, CalibrationError
        If calwf3 is requested but not installed, or fails.

    Notes
    -----
    Source: WFC3 ISR 2016-16 (flattened ramps); Brandt 2024, PASP 136, 045004 (likelihood fit).
    """
    raw = Path(raw)
    if method not in METHODS:
        raise BadArgumentError(f"unknown method {method!r}; choose {alternatives(METHODS)}")
    folder = Path(outdir) if outdir is not None else raw.parent
    products = {kind: folder / f"{_PREFIX}_{raw.name[:9]}_{kind}.fits" for kind in ("flt", "ima")}
    for path in products.values() if write_ima else [products["flt"]]:
        if path.exists() and not overwrite:
            raise OutputExistsError(path)
    header = header_of(raw)
    if is_grism(str(header.get("FILTER", "")).strip()):
        raise RefusedError(raw.name[:9], "the sky of a grism exposure is not the same in all pixels")
    references = header_references(raw, _reference_folder(iref))
    with TemporaryDirectory(prefix="wfc3tvb-") as scratch:
        copy = Path(scratch) / raw.name
        copy_raw(raw, copy, {"CRCORR": "OMIT"})
        (made,) = calibrate(copy, engine=engine, crcorr="omit", iref=references.folder, threads=threads)
        ima = Path(str(made.ima))
        measured = measure(ima, settings=settings, threads=threads)
        member = _member(measured, method)
        image = apply_method(EngineFiles(ima, made.flt, references), member, recover=True)
        describe(made.flt, member, (made.engine, made.engine_version), references)
        folder.mkdir(parents=True, exist_ok=True)
        _move(made.flt, products["flt"])
        if write_ima:
            _write_reads(ima, member, image)
            _move(ima, products["ima"])
    return FlattenedRamp(products["flt"], products["ima"] if write_ima else None, measured)


def _reference_folder(iref: str | Path | None) -> Path:
    folder = Path(iref) if iref is not None else Services().iref
    if folder is None:
        raise BadArgumentError("the folder of the reference files is not known; pass iref, or set the variable iref")
    return folder


def _member(measured: Measurement, method: str) -> Member:
    """Return the exposure with its curve, as the methods take it."""
    row = measured.exposure
    curve = curve_of_reads(measured.reads)
    if METHODS[method].needs_curve and not curve.times:
        flags = ", ".join(row["quality_flags"]) or "no read has a rate"
        raise RefusedError(row["rootname"], f"its sky cannot be measured ({flags}); use method='omit'")
    return Member(
        rootname=row["rootname"], method=method, reason="requested", sky_mean=row["sky_mean"], times=curve.times,
        cumulative=curve.cumulative, lost=curve.lost, lit=curve.lit, affected=tuple(row["affected_reads"] or ()),
        n_pixels=frame_size(row) ** 2, nsamp=row["nsamp"] or len(measured.reads) + 1,
    )  # fmt: skip


def _write_reads(ima: Path, member: Member, image: Image | None) -> None:
    """Write into an IMA what the fit removed from its reads or found in them."""
    cumulative = np.array(member.cumulative, np.float32)
    change_reads(
        ima,
        added=cumulative[-1] - cumulative if member.method == "flatten" else None,
        hits=None if image is None else image.hits,
        cards={"TVBMETH": (member.method, "repair of the variable background")},
    )


def _move(path: Path, to: Path) -> None:
    """Move a product to its place, which may be on another file system, completely or not at all."""
    with atomic_write(to) as part:
        shutil.copyfile(path, part)
