"""Fetch the files of a dataset for its repair from an archive; originals are kept as they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wfc3tvb.archive.source import Archive
from wfc3tvb.errors import BadFileError, MissingProductError, RefusedError
from wfc3tvb.fits.association import read_members
from wfc3tvb.fits.hdus import read_fits
from wfc3tvb.fits.images import header_of
from wfc3tvb.instrument import is_grism
from wfc3tvb.parallel.backends import stage
from wfc3tvb.repair.model import Repair
from wfc3tvb.system.files import remove_unfinished


@dataclass(frozen=True)
class Fetched:
    """A dataset whose files are there.

    Attributes
    ----------
    repair : Repair
        What is to be done.
    folder : Path
        Its folder: ``orig/`` holds what came, ``work/`` is scratch.
    notes : tuple of str
        What to know of the files.
    """

    repair: Repair
    folder: Path
    notes: tuple[str, ...] = ()

    def raw(self, rootname: str) -> Path:
        """Return the raw file as it came."""
        return self.folder / "work" / "raw" / f"{rootname}_raw.fits"

    @property
    def raws(self) -> list[Path]:
        """All raw files."""
        return [self.raw(member.rootname) for member in self.repair.members]


@dataclass(frozen=True)
class FetchDataset:
    """The worker that fetches: what is there already is not fetched again."""

    products: Archive
    outdir: Path

    def __call__(self, repair: Repair) -> Fetched:
        """Fetch ASN, RAW and SPT, and the archive's FLT and DRZ where it has them.

        Raises
        ------
        TvbError
            With stage ``fetch``.
        """
        with stage("fetch"):
            refuse(repair)
            folder = self.outdir.absolute() / repair.dataset
            orig, raw = folder / "orig", folder / "work" / "raw"
            for each in (orig, raw):
                each.mkdir(parents=True, exist_ok=True)
                remove_unfinished(each)
            for member in repair.members:
                self._raw(member.rootname, raw)
                for suffix in ("spt", "flt"):
                    self._get_if_there(member.rootname, suffix, orig)
            if repair.association:
                self._get_if_there(repair.association, "asn", orig)
                self._get_if_there(repair.association, "drz", orig)
            fetched = Fetched(repair, folder)
            notes = check(fetched.raws, orig / f"{repair.dataset}_asn.fits")
            return Fetched(repair, folder, notes)

    def _raw(self, name: str, folder: Path) -> None:
        """Get a raw file; one that is not whole is fetched once more, and not kept."""
        path = folder / f"{name}_raw.fits"
        for last in (not path.exists(), True):
            self._get(name, "raw", folder)
            try:
                read_fits(path)
            except BadFileError:
                path.unlink()
                if last:
                    raise
            else:
                return

    def _get(self, name: str, suffix: str, folder: Path) -> None:
        if not (folder / f"{name}_{suffix}.fits").exists():
            self.products.download(name, suffix, folder)

    def _get_if_there(self, name: str, suffix: str, folder: Path) -> None:
        try:
            self._get(name, suffix, folder)
        except MissingProductError:
            return


def refuse(repair: Repair) -> None:
    """Raise `RefusedError` for what this package does not repair, before anything is fetched."""
    for member in repair.members:
        if is_grism(member.filter):
            reason = "grism exposures are not repaired: their background varies over the detector (WFC3 ISR 2020-04)"
            raise RefusedError(repair.dataset, reason)
        for flag, words in (("moving_target", "a moving target"), ("scan", "a spatial scan")):
            if flag in member.flags:
                raise RefusedError(repair.dataset, f"{member.rootname} is {words}: not repaired")


def check(raws: Sequence[Path], asn: Path) -> tuple[str, ...]:
    """Return what is unusual of a dataset's exposures.

    Raises
    ------
    RefusedError
        If they cannot be combined: several filters, or repeat observations.
    """
    headers = {path.name[:9]: header_of(path) for path in raws}
    filters = {str(header.get("FILTER")) for header in headers.values()}
    if len(filters) > 1:
        raise RefusedError(asn.name[:9], f"its exposures have several filters: {', '.join(sorted(filters))}")
    if asn.exists() and any("RP" in member.kind for member in read_members(asn)):
        raise RefusedError(asn.name[:9], "repeat observations (EXP-RPT) are not combined here")
    notes = []
    sequences = {f"{header.get('SAMP_SEQ')}/{header.get('NSAMP')}" for header in headers.values()}
    if len(sequences) > 1:
        notes.append(f"sample sequences differ: {', '.join(sorted(sequences))}")
    for name, header in headers.items():
        if str(header.get("EXPFLAG") or "NORMAL").strip() != "NORMAL":
            notes.append(f"{name}: EXPFLAG {header['EXPFLAG']}")
        if str(header.get("FGSLOCK") or "FINE").strip() not in ("FINE", "FINE/GYRO"):
            notes.append(f"{name}: guide stars {header['FGSLOCK']}")
    return tuple(notes)
