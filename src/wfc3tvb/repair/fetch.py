"""Download of the files of a dataset for its repair; the originals are kept unchanged."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wfc3tvb.archive.source import Downloads
from wfc3tvb.errors import BadFileError, MissingProductError, RefusedError
from wfc3tvb.fits.association import read_members
from wfc3tvb.fits.blocks import CHECK_THE_COPY
from wfc3tvb.fits.hdus import read_fits
from wfc3tvb.fits.images import header_of
from wfc3tvb.instrument import is_grism
from wfc3tvb.parallel.backends import stage
from wfc3tvb.repair.model import Repair
from wfc3tvb.system.files import remove_unfinished

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """Dataset whose files have been fetched.

    Attributes
    ----------
    repair : Repair
        The dataset, with the methods of its exposures.
    folder : Path
        Its folder: ``orig/`` has the archive's products, ``work/`` scratch files.
    notes : tuple of str
        Notes on the exposures.
    """

    repair: Repair
    folder: Path
    notes: tuple[str, ...] = ()

    def raw(self, rootname: str) -> Path:
        """Return the path of a raw file."""
        return self.folder / "work" / "raw" / f"{rootname}_raw.fits"

    @property
    def raws(self) -> list[Path]:
        """Paths of all raw files."""
        return [self.raw(member.rootname) for member in self.repair.members]


@dataclass(frozen=True)
class FetchDataset:
    """Worker that fetches files, unless they exist already."""

    products: Downloads
    outdir: Path

    def __call__(self, repair: Repair) -> Fetched:
        """Fetch ASN, RAW and SPT, and the archive's FLT and DRZ where available.

        Raises
        ------
        TvbError
            If a file cannot be fetched, or the dataset cannot be repaired.
        """
        with stage("fetch"):
            check_supported(repair)
            folder = self.outdir.absolute() / repair.dataset
            orig, raw = folder / "orig", folder / "work" / "raw"
            for each in (orig, raw):
                each.mkdir(parents=True, exist_ok=True)
                remove_unfinished(each)
            for member in repair.members:
                self._get(member.rootname, "raw", raw)
                for suffix in ("spt", "flt"):
                    self._get_if_available(member.rootname, suffix, orig)
            if repair.association:
                self._get_if_available(repair.table, "asn", orig)
                self._get_if_available(repair.association, "drz", orig)
            fetched = Fetched(repair, folder)
            notes = check_headers(fetched.raws, orig / f"{repair.table}_asn.fits")
            return Fetched(repair, folder, notes)

    def _get(self, name: str, suffix: str, folder: Path) -> None:
        """Fetch a file unless it is there; a damaged one is removed and fetched once more, and never stays."""
        path = folder / f"{name}_{suffix}.fits"
        for last in (not path.exists(), True):
            if not path.exists():
                self.products.download(name, suffix, folder)
            try:
                check_product(path)
            except BadFileError as error:
                path.unlink()
                if last:
                    error.retryable = True
                    raise
            else:
                return

    def _get_if_available(self, name: str, suffix: str, folder: Path) -> None:
        try:
            self._get(name, suffix, folder)
        except MissingProductError:
            return
        except BadFileError as error:
            if suffix != "spt":
                raise
            log.warning("%s; the repair goes on without it", error)


def check_product(path: Path) -> None:
    """Check that a fetched file is complete and holds what a repair takes from its kind.

    Raises
    ------
    BadFileError
        If it is not FITS, ends too early, or lacks its table (ASN) or its image (FLT, DRZ).
    """
    if path.name.endswith("_asn.fits"):
        read_members(path)
        return
    found = {extension.key for extension in read_fits(path)}
    if path.name.endswith(("_flt.fits", "_drz.fits")) and ("SCI", 1) not in found:
        raise BadFileError(path, "has no image (SCI,1)", CHECK_THE_COPY)


def check_supported(repair: Repair) -> None:
    """Raise `RefusedError` for a dataset of a kind that is not repaired, before anything is fetched."""
    for member in repair.members:
        if is_grism(member.filter):
            reason = "grism exposures are not repaired: their background varies over the detector (WFC3 ISR 2020-04)"
            raise RefusedError(repair.dataset, reason)
        for flag, kind in (("moving_target", "of a moving target"), ("scan", "a spatial scan")):
            if flag in member.flags:
                reason = f"{member.rootname} is {kind}; such exposures are not repaired"
                raise RefusedError(repair.dataset, reason)


def check_headers(raws: Sequence[Path], asn: Path) -> tuple[str, ...]:
    """Check that the exposures of a dataset can be combined, and return notes on unusual headers.

    Raises
    ------
    RefusedError
        If they cannot be combined: several filters, or repeat observations.
    """
    headers = {path.name[:9]: header_of(path) for path in raws}
    filters = {str(header.get("FILTER")) for header in headers.values()}
    if len(filters) > 1:
        reason = f"exposures in several filters ({', '.join(sorted(filters))}) cannot be combined"
        raise RefusedError(asn.name[:9], reason)
    if asn.exists() and any("RP" in member.kind for member in read_members(asn)):
        raise RefusedError(asn.name[:9], "repeat observations (EXP-RPT) cannot be combined")
    notes = []
    sequences = {f"{header.get('SAMP_SEQ')}/{header.get('NSAMP')}" for header in headers.values()}
    if len(sequences) > 1:
        notes.append(f"sample sequences differ: {', '.join(sorted(sequences))}")
    for name, header in headers.items():
        if str(header.get("EXPFLAG") or "NORMAL").strip() != "NORMAL":
            notes.append(f"{name}: EXPFLAG {header['EXPFLAG']}")
        if str(header.get("FGSLOCK") or "FINE").strip() not in ("FINE", "FINE/GYRO"):
            notes.append(f"{name}: commanded lock {header['FGSLOCK']}")
    return tuple(notes)
