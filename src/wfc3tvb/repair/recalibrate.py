"""Calibration of an exposure by a method of repair, which makes its new FLT."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wfc3tvb import __version__
from wfc3tvb.engines import calwf3
from wfc3tvb.engines.calibrate import CalResult, calibrate, calibrate_in_memory
from wfc3tvb.errors import CalibrationError
from wfc3tvb.fits.calibrated_reads import CalibratedReads, read_calibrated
from wfc3tvb.fits.images import copy_raw, header_of, write_cards, write_planes
from wfc3tvb.parallel.backends import stage
from wfc3tvb.references.crds import References
from wfc3tvb.repair.methods import EngineFiles, Image, implementation
from wfc3tvb.repair.model import Member
from wfc3tvb.repair.proof.last_reads import last_reads, write_last_reads
from wfc3tvb.repair.workspace import read_record, write_record


@dataclass(frozen=True)
class Recalibrated:
    """Recalibrated exposure.

    Attributes
    ----------
    flt : str
        Path of the FLT.
    engine, engine_version : str
        Engine and its version.
    exptime : float
        Exposure time of the image [s].
    wall_s : float
        Time taken [s].
    warnings : tuple of str
        Warnings of the engine.
    """

    flt: str
    engine: str
    engine_version: str
    exptime: float
    wall_s: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class CalibrateMember:
    """Worker that calibrates exposures of a dataset, and reuses FLTs made with the same settings.

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
        """Calibrate an exposure, and return its new FLT.

        Raises
        ------
        TvbError
            If the calibration fails.
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
            describe(Path(made.flt), member, (made.engine, made.engine_version), references)
        write_record(done, {"signature": signature, "made": asdict(made)})
        return made

    def _signature(self, member: Member, references: References) -> dict[str, Any]:
        """Return everything that determines the result."""
        return {
            "method": member.method, "engine": self.engine, "recover": self.recover, "version": __version__,
            "cumulative": list(member.cumulative), "affected": list(member.affected), "lost": list(member.lost),
            "lit": list(member.lit),
            "sha1": dict(references.sha1),
        }  # fmt: skip

    def _calibrate(self, member: Member, raw: Path, references: References, folder: Path) -> Recalibrated:
        native = implementation(member.method).change_raw is None and not calwf3.chosen(self.engine)
        run = self._run_in_memory if native else self._run_on_files
        keywords = {key: f"iref${name}" for key, name in references.names.items()}
        keywords |= {"CRCORR": "PERFORM", "CRDS_CTX": references.context}
        result, reads = run(member, raw, (references, keywords), folder)
        if member.repaired:
            if reads is None:
                raise CalibrationError(member.rootname, "the engine wrote no IMA")
            files = EngineFiles(reads, result.flt, references)
            write_last_reads(last_reads_path(result.flt), last_reads(files.reads, member))
            apply_method(files, member, recover=self.recover)
        exptime = float(header_of(result.flt)["EXPTIME"])
        made = result.engine, result.engine_version, exptime, result.wall_s, tuple(result.warnings)
        return Recalibrated(str(result.flt), *made)

    def _run_in_memory(
        self, member: Member, raw: Path, used: tuple[References, dict[str, str]], folder: Path
    ) -> tuple[CalResult, CalibratedReads | None]:
        """Calibrate a raw file with the native engine, which hands over the calibrated reads."""
        references, keywords = used
        received: list[CalibratedReads] = []
        result = calibrate_in_memory(
            raw, crcorr=implementation(member.method).description.crcorr, keywords=keywords, outdir=folder,
            iref=references.folder, threads=self.threads, receive=received.append if member.repaired else None,
        )  # fmt: skip
        return result, received[0] if received else None

    def _run_on_files(
        self, member: Member, raw: Path, used: tuple[References, dict[str, str]], folder: Path
    ) -> tuple[CalResult, CalibratedReads | None]:
        """Calibrate a copy of a raw file, and read the IMA."""
        (references, keywords), method, copy = used, implementation(member.method), folder / raw.name
        copy_raw(raw, copy, keywords)
        if method.change_raw is not None:
            method.change_raw(copy, member)
        (result,) = calibrate(
            [copy], engine=self.engine, crcorr=method.description.crcorr, write_ima=member.repaired,
            overwrite=True, iref=references.folder, threads=self.threads,
        )  # fmt: skip
        copy.unlink()
        if result.ima is None:
            return result, None
        reads = read_calibrated(result.ima)
        result.ima.unlink()
        return result, reads


def last_reads_path(flt: Path) -> Path:
    """Return the path of the image of the last good reads that belongs to a new FLT."""
    return flt.with_name("last_reads.npz")


def apply_method(files: EngineFiles, member: Member, *, recover: bool) -> Image | None:
    """Write the image that a method makes from the calibrated reads into the FLT, and return it.

    Parameters
    ----------
    files : EngineFiles
        Products of the engine.
    member : Member
        The exposure, with its method and curve.
    recover : bool
        Whether to recover pixels that saturate only in the last reads, where the method leaves this open.

    Returns
    -------
    Image or None
        None if the engine's own image is the result.

    Raises
    ------
    CalibrationError, RefusedError
        If the curve or the affected reads do not suit the method.
    """
    step = implementation(member.method).after_engine(recover=recover)
    if step is None:
        return None
    image = step(files, member)
    write_planes(files.flt, image.planes, image.keywords, image.history)
    return image


def describe(flt: Path, member: Member, engine: tuple[str, str], references: References) -> None:
    """Write method and provenance into the header of an FLT; `engine` is its name and version."""
    what = f"wfc3tvb {__version__}: {member.method}: {implementation(member.method).description.help}"
    write_cards(flt, cards_of(member, *engine, references), what)


def _resumed(done: Path, signature: dict[str, Any]) -> Recalibrated | None:
    """Return the FLT that an earlier run made with the same settings, if it exists."""
    if (record := read_record(done)) is None:
        return None
    made = record["made"] | {"warnings": tuple(record["made"]["warnings"])}
    same = record["signature"] == signature and Path(made["flt"]).exists()
    return Recalibrated(**made) if same else None


def _check(flt: Path, member: Member) -> None:
    """Check that CRCORR was performed or omitted as requested; calwf3 takes its switches from more than one place."""
    found = str(header_of(flt).get("CRCORR", "")).strip()
    wanted = "COMPLETE" if implementation(member.method).description.rejects_cosmic_rays else "OMIT"
    if found != wanted:
        raise CalibrationError(member.rootname, f"CRCORR is {found} in the FLT, not {wanted}")


def cards_of(member: Member, engine: str, version: str, references: References) -> dict[str, tuple[Any, str]]:
    """Return the header cards that describe the repair of an exposure."""
    return {
        "TVBMETH": (member.method, "repair of the variable background"),
        "TVBENG": (f"{engine} {version}"[:40], "engine"),
        "TVBVER": (__version__, "version of wfc3tvb"),
        "TVBREADS": (reads_used(member), "reads used, in time order"),
        "TVBCTX": (references.context, "CRDS context of the references"),
    }


def reads_used(member: Member) -> str:
    """Return the reads used in an image, as ranges: 1-5,8-15."""
    left_out = implementation(member.method).left_out(member)
    return _ranges([k for k in range(1, member.nsamp) if k not in left_out])


def _ranges(reads: list[int]) -> str:
    """Format numbers as ranges: 1-5,8-15."""
    parts: list[list[int]] = []
    for k in reads:
        if parts and k == parts[-1][1] + 1:
            parts[-1][1] = k
        else:
            parts.append([k, k])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in parts)
