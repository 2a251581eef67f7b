"""One exposure, calibrated again by a method: an FLT, and what made it."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from wfc3tvb import __version__
from wfc3tvb.calibration.crcorr.fit import fit_ramps
from wfc3tvb.calibration.model import Rejection
from wfc3tvb.errors import CalibrationError, RefusedError
from wfc3tvb.fits.images import UnfittedRamp, copy_raw, header_of, read_ramp, write_cards, write_planes
from wfc3tvb.identifiers import DQ
from wfc3tvb.parallel.backends import stage
from wfc3tvb.references.crds import References
from wfc3tvb.references.tables import rejection
from wfc3tvb.repair.methods import flatten, last_good_read, left_out_of, recover_saturated, stitch
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.workspace import read_record, write_record

#: Switch that each method gives to the engine; flatten and mask_reads fit the ramp afterwards, in memory.
_SWITCH = {"omit": "omit", "flatten": "omit", "mask_reads": "omit", "perform": "perform"}
#: Flags that the engine may have left in the FLT for a ramp that was not fitted.
_SATURATED = int(DQ.SATPIXEL)


@dataclass(frozen=True)
class Recalibrated:
    """An exposure calibrated again.

    Attributes
    ----------
    flt : str
        The file.
    engine, engine_version : str
        What ran.
    exptime : float
        Time that the image stands for [s].
    wall_s : float
        Time taken [s].
    warnings : tuple of str
        What the engine said.
    """

    flt: str
    engine: str
    engine_version: str
    exptime: float
    wall_s: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class CalibrateMember:
    """Calibrates exposures of one dataset; what is done by the same settings is not done again.

    Attributes
    ----------
    engine : str
        auto, native or calwf3.
    recover : bool
        Whether to recover pixels that saturate only in the last reads.
    work : Path
        Scratch folder of the dataset.
    threads : int
        Threads of the native engine.
    """

    engine: str
    recover: bool
    work: Path
    threads: int = 2

    def __call__(self, member: Member, raw: Path, references: References) -> Recalibrated:
        """Return the exposure's new FLT.

        Raises
        ------
        TvbError
            With stage ``calibrate``.
        """
        folder = self.work / member.rootname / member.method
        done, signature = folder / "done.json", self._signature(member, references)
        if (before := _resumed(done, signature)) is not None:
            return before
        with stage("calibrate"):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            made = self._calibrate(member, raw, references, folder)
            _check(Path(made.flt), member)
            write_cards(
                Path(made.flt),
                cards_of(member, made.engine, made.engine_version, references),
                f"wfc3tvb {__version__}: {member.method}",
            )
        write_record(done, {"signature": signature, "made": asdict(made)})
        return made

    def _signature(self, member: Member, references: References) -> dict[str, Any]:
        """Return what decides the result."""
        return {
            "method": member.method, "engine": self.engine, "recover": self.recover, "version": __version__,
            "cumulative": list(member.cumulative), "affected": list(member.affected), "sha1": dict(references.sha1),
        }  # fmt: skip

    def _calibrate(self, member: Member, raw: Path, references: References, folder: Path) -> Recalibrated:
        from wfc3tvb.engines.calibrate import calibrate

        copy = folder / raw.name
        switches = {key: f"iref${name}" for key, name in references.names.items()} | {"CRCORR": "PERFORM"}
        copy_raw(raw, copy, switches | {"CRDS_CTX": references.context})
        refits = member.method in ("flatten", "mask_reads")
        from_reads = refits or (member.method == "omit" and self.recover)
        (result,) = calibrate(
            [copy], engine=self.engine, crcorr=_SWITCH[member.method], write_ima=from_reads,
            overwrite=True, iref=references.folder,
            threads=self.threads,
        )  # fmt: skip
        copy.unlink()
        if from_reads:
            if result.ima is None:
                raise CalibrationError(member.rootname, "the engine wrote no IMA")
            if refits:
                _refit(result.ima, result.flt, member, _rejection(result.ima, references))
            else:
                _recover(result.ima, result.flt, member)
            result.ima.unlink()
        exptime = float(header_of(result.flt)["EXPTIME"])
        made = result.engine, result.engine_version, exptime, result.wall_s, tuple(result.warnings)
        return Recalibrated(str(result.flt), *made)


def _resumed(done: Path, signature: dict[str, Any]) -> Recalibrated | None:
    """Return what an earlier run made by the same settings, if it is there."""
    if (record := read_record(done)) is None:
        return None
    made = record["made"] | {"warnings": tuple(record["made"]["warnings"])}
    same = record["signature"] == signature and Path(made["flt"]).exists()
    return Recalibrated(**made) if same else None


def _check(flt: Path, member: Member) -> None:
    """Make sure that the image is what was asked for: calwf3 takes its switches from more than one place."""
    found = str(header_of(flt).get("CRCORR", "")).strip()
    wanted = "OMIT" if member.method == "omit" else "COMPLETE"
    if found != wanted:
        raise CalibrationError(member.rootname, f"CRCORR is {found} in the FLT, not {wanted}")


def cards_of(member: Member, engine: str, version: str, references: References) -> dict[str, tuple[Any, str]]:
    """Return what an exposure's header tells of its repair."""
    return {
        "TVBMETH": (member.method, "repair of the variable background"),
        "TVBENG": (f"{engine} {version}"[:40], "engine"),
        "TVBVER": (__version__, "version of wfc3tvb"),
        "TVBREADS": (reads_used(member), "reads used, in time order"),
        "TVBCTX": (references.context, "CRDS context of the references"),
    }


def reads_used(member: Member) -> str:
    """Return the reads that made an image, as ranges: 1-5,8-15."""
    left_out = set(member.affected) if member.method == "mask_reads" else set()
    return _ranges([k for k in range(1, member.nsamp) if k not in left_out])


def _ranges(reads: list[int]) -> str:
    """Return numbers as ranges: 1-5,8-15."""
    parts: list[list[int]] = []
    for k in reads:
        if parts and k == parts[-1][1] + 1:
            parts[-1][1] = k
        else:
            parts.append([k, k])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in parts)


# --- what is done with the reads -----------------------------------------------------------------------------------


def _rejection(ima: Path, references: References) -> Rejection:
    """Return the limits that calwf3 would take for an exposure (CRREJTAB)."""
    if (name := references.names.get("CRREJTAB")) is None:
        return Rejection()
    header = header_of(ima)
    return rejection(references.folder / name, int(header["NSAMP"]), float(header["EXPTIME"]))


def _refit(ima: Path, flt: Path, member: Member, limits: Rejection) -> None:
    """Fit the ramps again, changed as the method says, and put the image into the FLT."""
    ramp, keywords = (_flattened if member.method == "flatten" else _without_reads)(read_ramp(ima), member)
    fit = fit_ramps(
        ramp.counts, ramp.error, ramp.dq, ramp.times,
        gain=ramp.gain, threshold=limits.threshold, ignore=limits.ignore,
    )  # fmt: skip
    gain = np.float32(ramp.gain)
    write_planes(
        flt,
        {"SCI": fit.rate * gain, "ERR": fit.error * gain, "DQ": fit.dq, "SAMP": fit.samples, "TIME": fit.time},
        {"CRCORR": "COMPLETE", **keywords},
    )


def _flattened(ramp: UnfittedRamp, member: Member) -> tuple[UnfittedRamp, dict[str, Any]]:
    """Return ramps with the sky's curve made straight, and the header's changes."""
    counts = flatten(ramp.counts, ramp.times[1:], _curve(member, ramp), ramp.gain)
    return replace(ramp, counts=counts), {}


def _without_reads(ramp: UnfittedRamp, member: Member) -> tuple[UnfittedRamp, dict[str, Any]]:
    """Return ramps without the affected reads, also in pixels flagged for good, and the header's changes."""
    if not member.affected:
        raise RefusedError(member.rootname, "mask_reads was asked for, but no read is known to be affected; use omit")
    try:
        stitched = stitch(len(ramp.times) - 1, ramp.times, member.affected)
    except ValueError as error:
        raise RefusedError(member.rootname, f"mask_reads leaves too little: {error}; use omit") from error
    reads = stitched.reads
    kept = UnfittedRamp(
        left_out_of(ramp.counts, stitched), ramp.error[reads], ramp.dq[reads], stitched.times, ramp.gain
    )
    return kept, {"EXPTIME": float(stitched.times[-1])}


def _recover(ima: Path, flt: Path, member: Member) -> None:
    """Take pixels that saturate only in the last reads from their last good read."""
    ramp = read_ramp(ima)
    times = ramp.times[1:]
    rates = ramp.counts[1:] * (ramp.gain / times).astype(np.float32)[:, None, None]
    saturated = (ramp.dq[1:] & _SATURATED) != 0
    image, error, dq = (np.array(fits.getdata(flt, name, 1)) for name in ("SCI", "ERR", "DQ"))
    image, recovered = recover_saturated(image, rates, saturated, times, _curve(member, ramp))
    last, _ = last_good_read(saturated)
    errors = np.take_along_axis(ramp.error[1:], last[None], 0)[0] * (ramp.gain / times).astype(np.float32)[last]
    error[recovered] = errors[recovered]
    dq[recovered] &= ~_SATURATED
    write_planes(flt, {"SCI": image, "ERR": error, "DQ": dq}, {})
    note = f"wfc3tvb: {np.count_nonzero(recovered)} pixels saturated only at the end taken from their last good read"
    write_cards(flt, {}, note)


def _curve(member: Member, ramp: UnfittedRamp) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the sky's cumulative rate at every read of a ramp [electron/s]."""
    if len(member.cumulative) != len(ramp.times) - 1:
        problem = f"the catalog has {len(member.cumulative)} reads of it, the file {len(ramp.times) - 1}"
        raise CalibrationError(member.rootname, f"{problem}; survey it again")
    return np.array(member.cumulative, np.float64)
