"""One dataset from raw files to drizzled image and proof: the worker of `reprocess`."""

from __future__ import annotations

import json
import resource
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb import __version__
from wfc3tvb.errors import DrizzleError
from wfc3tvb.exposure import Row
from wfc3tvb.io.crds import References
from wfc3tvb.io.drizzle import Drizzled, DrizzleSettings, drizzle, read_parameters
from wfc3tvb.io.images import header_of, stamp
from wfc3tvb.pipeline.parallel import stage
from wfc3tvb.pipeline.repair_fetch import Fetched
from wfc3tvb.pipeline.repair_member import Calibrated, CalibrateMember
from wfc3tvb.pipeline.repair_plan import Member, ReprocessSettings
from wfc3tvb.pipeline.repair_prove import (
    Proof,
    expected_noise,
    product_row,
    prove_drizzled,
    prove_exposure,
    stars_of,
    write_numbers,
)
from wfc3tvb.science import expected


@dataclass(frozen=True)
class Ready:
    """A dataset with its files and references (by rootname)."""

    fetched: Fetched
    references: Mapping[str, References]


@dataclass(frozen=True)
class RepairDataset:
    """The worker: repairs one dataset and returns its rows of `reprocessed`."""

    settings: ReprocessSettings
    run_id: str

    def __call__(self, ready: Ready) -> list[Row]:
        """Calibrate, drizzle, compare.

        Raises
        ------
        TvbError
            With its stage; what was finished before is found again by the next run.
        """
        began = time.monotonic()
        bench = Bench(ready, self.settings, ready.fetched.folder, self.run_id)
        made = bench.calibrate()
        with stage("drizzle"):
            drizzled = bench.drizzle(made)
        with stage("compare"):
            rows = bench.prove(made, drizzled, began)
        bench.finish(rows)
        return rows


@dataclass(frozen=True)
class Bench:
    """A dataset's folder at work: ``orig/`` as it came, ``work/`` scratch, ``flt/ drz/ proof/`` the products."""

    ready: Ready
    settings: ReprocessSettings
    folder: Path
    run_id: str

    @property
    def members(self) -> tuple[Member, ...]:
        """Exposures of the dataset."""
        return self.ready.fetched.repair.members

    @property
    def association(self) -> str | None:
        """The association; None for a lone exposure."""
        return self.ready.fetched.repair.association

    # --- calibrate ---------------------------------------------------------------------------------------------

    def calibrate(self) -> dict[str, Calibrated]:
        """Return the new FLT of every exposure, the flagged ones first."""
        calibrate = CalibrateMember(self.settings.engine, self.settings.recover_saturated, self.folder / "work")
        made: dict[str, Calibrated] = {}
        for member in sorted(self.members, key=lambda m: not m.repaired):
            raw, references = self.ready.fetched.raw(member.rootname), self.ready.references[member.rootname]
            again = None if member.repaired else self._archive_is_the_same(member, references, made)
            made[member.rootname] = again or calibrate(member, raw, references)
            if not (self.folder / "orig" / f"{member.rootname}_flt.fits").exists():
                self._stand_in(member, calibrate, raw, references)
        return made

    def _archive_is_the_same(
        self, member: Member, references: References, made: Mapping[str, Calibrated]
    ) -> Calibrated | None:
        """Return the archive's FLT of an unflagged exposure where version and every reference are the new ones."""
        path = self.folder / "orig" / f"{member.rootname}_flt.fits"
        if not made or not path.exists():
            return None
        first = next(iter(made.values()))
        old, new = header_of(path), header_of(Path(first.flt))
        names = {key: str(old.get(key, "")).rpartition("$")[2] for key in references.names}
        version = str(old.get("CAL_VER")).strip()
        if version != str(new.get("CAL_VER")).strip() or names != dict(references.names):
            return None
        if str(old.get("CRCORR")).strip() != "COMPLETE":
            return None
        why = ("the archive's FLT: same version and references",)
        return Calibrated(str(path), first.engine, first.engine_version, float(old["EXPTIME"]), 0.0, why)

    def _stand_in(self, member: Member, calibrate: CalibrateMember, raw: Path, references: References) -> None:
        """Make the FLT that the archive does not have, with the ramp fit, as the one to compare with."""
        plain = Member(**vars(member) | {"method": "perform", "reason": "stands in for the archive's"})
        made = calibrate(plain, raw, references)
        shutil.copyfile(made.flt, self.folder / "orig" / Path(made.flt).name)
        self._note_made_here(Path(made.flt).name)

    # --- drizzle -----------------------------------------------------------------------------------------------

    def drizzle(self, made: Mapping[str, Calibrated]) -> Drizzled:
        """Align and combine the new FLTs, and put the products in their places.

        A lone exposure is aligned only: it ends at its FLT.
        """
        product = self.association if len(self.members) > 1 else None
        flts = [Path(made[member.rootname].flt) for member in self.members]
        done = self._drizzle(flts, product, "work/drizzle", weights=self._weights(made))
        for name in [path.name for path in flts]:
            _move(self.folder / "work" / "drizzle" / name, self.folder / "flt" / name)
        if done.path is not None:
            self._stamp(done.path)
            _move(done.path, self.folder / "drz" / done.path.name)
            self._before_drizzled(done.path.name)
        shutil.copyfile(done.log, self.folder / "drizzle.log")
        return done

    def _drizzle(
        self, flts: Sequence[Path], product: str | None, folder: str, weights: Sequence[float] | None = None
    ) -> Drizzled:
        place = self.folder / folder
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
        copies = [Path(shutil.copyfile(path, place / path.name)) for path in flts]
        settings = DrizzleSettings(use_db=self.settings.use_db, parameters=self._parameters())
        try:
            return drizzle(
                copies, product, place, iref=self._any_references.folder, settings=settings, weights=weights
            )
        except DrizzleError as error:
            (self.folder / "drizzle.log").write_text(error.log)
            end = " | ".join(line.strip() for line in error.log.splitlines()[-3:])
            raise DrizzleError(error.product, f"{error.problem} [{end}]", error.log) from error

    @property
    def _any_references(self) -> References:
        return next(iter(self.ready.references.values()))

    def _parameters(self) -> dict[str, Any]:
        path = self.settings.drizzle_pars
        return {} if path is None else read_parameters(path)

    def _weights(self, made: Mapping[str, Calibrated]) -> list[float] | None:
        """Return the inverse variance of each exposure's sky; None where time weights, or one is not measured."""
        noises = [expected_noise(member) for member in self.members]
        if self.settings.weight != "ivm" or None in noises or len(self.members) < 2:
            return None
        return [1.0 / noise**2 for noise in noises if noise]

    def _stamp(self, path: Path) -> None:
        methods = ",".join(f"{m.rootname[-3:]}:{m.method}" for m in self.members if m.repaired)
        cards = {
            "TVBMETH": (self.ready.fetched.repair.method, "repair of the variable background"),
            "TVBEXP": (methods[:68], "exposures repaired, and how"),
            "TVBVER": (__version__, "version of wfc3tvb"),
            "TVBCTX": (self._any_references.context, "CRDS context of the references"),
        }
        stamp(path, cards, f"wfc3tvb {__version__}: drizzled from repaired exposures")

    def _before_drizzled(self, name: str) -> None:
        """Drizzle the FLTs from before where the archive has no drizzled image to compare with."""
        if (self.folder / "orig" / name).exists():
            return
        flts = [self.folder / "orig" / f"{member.rootname}_flt.fits" for member in self.members]
        done = self._drizzle(flts, self.association, "work/before")
        if done.path is not None:
            _move(done.path, self.folder / "orig" / name)
            self._note_made_here(name)

    # --- prove -------------------------------------------------------------------------------------------------

    def prove(self, made: Mapping[str, Calibrated], drizzled: Drizzled, began: float) -> list[Row]:
        """Return the rows of `reprocessed`, the drizzled image's last."""
        name = f"{self.association}_drz"
        stars = stars_of(self._pair("drz", name)[1]) if drizzled.path else None
        rows, faults = [], []
        for member in self.members:
            proof = self._prove_exposure(member, stars)
            rows.append(self._exposure_row(member, made[member.rootname], proof))
            faults.append(0.0 if member.sky_mean is None else abs(proof.before.level - member.sky_mean))
        if stars is not None:
            rows.append(self._drizzled_row(made, drizzled, stars, float(np.mean(faults))))
        share = (time.monotonic() - began - sum(row["wall_s"] for row in rows)) / len(rows)
        return [row | {"wall_s": row["wall_s"] + max(share, 0.0)} for row in rows]

    def _prove_exposure(self, member: Member, stars: NDArray[np.float64] | None) -> Proof:
        name = f"{member.rootname}_flt"
        before, after = self._pair("flt", name)
        proof = prove_exposure(member, before, after, stars, self._proof(name, "npz"))
        write_numbers(self._proof(name, "json"), proof)
        return proof

    def _drizzled_row(
        self, made: Mapping[str, Calibrated], drizzled: Drizzled, stars: NDArray[np.float64], fault: float
    ) -> Row:
        name = f"{self.association}_drz"
        before, after = self._pair("drz", name)
        noise = self._expected_drizzled(made)
        method = self.ready.fetched.repair.method
        figures = self._proof(name, "npz")
        proof = prove_drizzled(before, after, noise, figures, method=method, stars=stars, fault=fault)
        write_numbers(self._proof(name, "json"), proof)
        first = next(iter(made.values()))
        provenance = self._provenance(method, self._reason(drizzled), first, before.name)
        own = {
            "rootname": None, "noise_expected": noise, "wall_s": drizzled.wall_s,
            "references": self._any_references.as_json(),
            "peak_rss_mb": max(drizzled.peak_rss_mb, _peak_mb()),
        }  # fmt: skip
        return product_row(str(self.association), "drz", after, proof, provenance | own)

    def _exposure_row(self, member: Member, made: Calibrated, proof: Proof) -> Row:
        said = [member.reason, *made.warnings]
        said += [note for note in self.ready.fetched.notes if note.startswith(member.rootname)]
        if self.association is None and member.method == "omit":
            said.append("a lone exposure: cosmic rays remain in it")
        name = f"{member.rootname}_flt.fits"
        provenance = self._provenance(member.method, "; ".join(said), made, name)
        own = {
            "rootname": member.rootname, "noise_expected": expected_noise(member), "wall_s": made.wall_s,
            "references": self.ready.references[member.rootname].as_json(), "peak_rss_mb": _peak_mb(),
        }  # fmt: skip
        return product_row(member.rootname, "flt", self.folder / "flt" / name, proof, provenance | own)

    def _provenance(self, method: str, reason: str, made: Calibrated, before: str) -> Row:
        return {
            "dataset": self.ready.fetched.repair.dataset,
            "method": method,
            "reason": reason,
            "engine": made.engine,
            "engine_version": made.engine_version,
            "crds_context": self._any_references.context,
            "before": "perform" if before in self._made_here() else "archive",
            "run_id": self.run_id,
        }

    def _reason(self, drizzled: Drizzled) -> str:
        repaired = [m for m in self.members if m.repaired]
        words = f"{len(repaired)} of {len(self.members)} exposures repaired"
        notes = [note for note in self.ready.fetched.notes if note[:9] not in {m.rootname for m in self.members}]
        return "; ".join([words, *drizzled.warnings, *notes])

    def _expected_drizzled(self, made: Mapping[str, Calibrated]) -> float | None:
        noises = [expected_noise(member) for member in self.members]
        if None in noises:
            return None
        exptimes = np.array([made[member.rootname].exptime for member in self.members])
        weights = self._weights(made)
        given = None if weights is None else np.array(weights)
        return expected.drizzled(np.array(noises, float), exptimes, weights=given)

    def _pair(self, kind: str, name: str) -> tuple[Path, Path]:
        return self.folder / "orig" / f"{name}.fits", self.folder / kind / f"{name}.fits"

    def _proof(self, name: str, suffix: str) -> Path:
        return self.folder / "proof" / f"{name}.{suffix}"

    # --- finish ------------------------------------------------------------------------------------------------

    def finish(self, rows: Sequence[Row]) -> None:
        """Link the best product where asked, and clear the scratch unless it is to be kept."""
        if self.settings.keep_best:
            self._link_best(rows[-1])
        if not self.settings.keep:
            shutil.rmtree(self.folder / "work", ignore_errors=True)

    def _link_best(self, row: Row) -> None:
        """Link the product, or what was there before where the repair is not better, into ``best/``."""
        product = Path(row["path"])
        chosen = product if row["accepted"] else self.folder / "orig" / product.name
        link = self.folder.parent / "best" / product.name
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(chosen)

    def _note_made_here(self, name: str) -> None:
        path = self.folder / "orig" / "made_here.json"
        path.write_text(json.dumps(sorted({*self._made_here(), name})))

    def _made_here(self) -> set[str]:
        """Return the files in ``orig/`` that the archive does not have and that were made here with the ramp fit."""
        path = self.folder / "orig" / "made_here.json"
        return set(json.loads(path.read_text())) if path.exists() else set()


def _move(path: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    path.replace(to)


def _peak_mb() -> float:
    """Return the peak memory of this process and of its largest child so far [Mbyte]."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 1024
