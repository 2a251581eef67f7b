"""Settings of a repair, its datasets and their exposures, with estimates of disk space, time and memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wfc3tvb.identifiers import is_association
from wfc3tvb.models import Row
from wfc3tvb.schema.methods import PERFORM
from wfc3tvb.system.memory import available_mb

#: Bytes per pixel of FLT and drizzled image, and per pixel and read of RAW (WFC3 Data Handbook table 2.7).
_FLT_BYTES, _DRZ_BYTES, _RAW_BYTES = 16, 12, 2
#: Datasets per worker in a portion; the next portion is fetched while one is repaired.
AHEAD = 2
#: Memory of a worker: libraries, with those of the drizzling process [Mbyte]; per pixel and read of an exposure during
#: calibration, and per pixel of an exposure that is drizzled in memory [byte]. Measured: docs/reprocess.md.
_LIBRARIES_MB, _READ_BYTES, _DRIZZLED_BYTES = 710.0, 32, 41
#: Fraction of the free memory that is used by default.
_SHARE = 0.8
#: Seconds of a process for each million pixels of an exposure of 16 reads, and in addition for each dataset.
_EXPOSURE_SECONDS, _DATASET_SECONDS = 1.2, 7.0

#: Function that is called for each dataset as it ends, with its rows of `reprocessed` and of `failures`.
Finished = Callable[[Sequence[Row], Sequence[Row]], None]


def ignore(rows: Sequence[Row], failures: Sequence[Row]) -> None:
    """Ignore the end of a dataset: the default `Finished`."""


@dataclass(frozen=True)
class ReprocessSettings:
    """Settings of a repair.

    Attributes
    ----------
    method : str
        ``auto`` (the catalog's recommendation), or the name of a method (`schema.methods.METHODS`) for all flagged
        exposures that it improves enough.
    only_flagged : bool
        Repair only the flagged exposures of an association, not others whose ramp fit is noisier than its limit by 5 %.
    engine : str
        auto, native or calwf3.
    context : str or None
        CRDS context; None means the operational one at the beginning of the run.
    references : str
        ``crds``: references chosen by CRDS; ``header``: those that the raw headers name, from the folder ``iref``;
        ``auto``: ``crds``, except for exposures surveyed from a folder of `wfc3tvb.simulate_visit`, which have theirs
        beside them.
    use_db : bool
        Use the astrometry service's solution.
    recover_saturated : bool
        Give pixels that saturate only in the last reads the rate of their last good read, under omit; without it the
        image is that of calwf3 with CRCORR=OMIT, and bright stars lose flux.
    drizzle : str
        ``astrodrizzle``, ``native`` (the same steps and pixels in less time), or ``auto``: native unless a parameter
        needs AstroDrizzle.
    drizzle_pars : Path or None
        JSON file of AstroDrizzle parameters.
    weight : str
        Weight of an exposure: ``exptime``, ``ivm`` for the inverse variance of its sky, or ``auto``: ``ivm`` if the
        skies of the exposures differ by more than 20 %, otherwise ``exptime``.
    keep, keep_best : bool
        Keep scratch files; link the best product into ``best/``.
    memory_gb : float or None
        Memory for all workers on this machine together [Gbyte]; None means four fifths of the free memory.
    source : str
        Source of the files: s3, mast, a folder, or ``auto``: the folder that an exposure was surveyed from, and S3 and
        MAST for all others.
    outdir : Path
        Folder of the products.
    """

    method: str = "auto"
    only_flagged: bool = False
    engine: str = "auto"
    context: str | None = None
    references: str = "auto"
    use_db: bool = False
    recover_saturated: bool = True
    drizzle: str = "auto"
    drizzle_pars: Path | None = None
    weight: str = "auto"
    keep: bool = False
    keep_best: bool = False
    memory_gb: float | None = None
    source: str = "auto"
    outdir: Path = Path("tvb-products")

    def as_json(self) -> dict[str, Any]:
        """Return the settings for the row of `runs`."""
        return {key: str(value) if isinstance(value, Path) else value for key, value in vars(self).items()}


@dataclass(frozen=True)
class Member:
    """Exposure of a dataset, with its method and the reason for it.

    Attributes
    ----------
    rootname, method, reason : str
        Method is a name of `schema.methods.METHODS`, or ``perform`` (recalibrated, not repaired).
    sky_mean : float or None
        True mean rate of its sky, from the catalog [electron/s].
    times, cumulative : tuple of float
        Time of each read [s], cumulative rate of the sky [electron/s]; empty where not measured.
    lost : tuple of int
        Reads without a rate in the catalog; their cumulative rate is interpolated.
    lit : tuple of int
        Reads with scattered light.
    affected : tuple of int
        Reads that the variable light affects.
    n_pixels : int
        Pixels of a read.
    nsamp : int
        Reads in the file, including the zeroth.
    samp_seq, filter : str
        Sample sequence and filter; empty where not measured.
    flags : tuple of str
        Its quality_flags.
    gain_mag : float or None
        Depth that the method is expected to gain over the archive's image [mag]; None where it is not known.
    """

    rootname: str
    method: str
    reason: str
    sky_mean: float | None = None
    times: tuple[float, ...] = ()
    cumulative: tuple[float, ...] = ()
    lost: tuple[int, ...] = ()
    lit: tuple[int, ...] = ()
    affected: tuple[int, ...] = ()
    n_pixels: int = 1024**2
    nsamp: int = 16
    samp_seq: str = ""
    filter: str = ""
    flags: tuple[str, ...] = ()
    gain_mag: float | None = None

    @property
    def repaired(self) -> bool:
        """True if the exposure is repaired, not only recalibrated."""
        return self.method != PERFORM.name


@dataclass(frozen=True)
class Repair:
    """Dataset to be repaired.

    Attributes
    ----------
    dataset : str
        Its name, which its drizzled image has.
    members : tuple of Member
        Its exposures.
    asn_id : str or None
        Name of the association table, which the headers give; another than `dataset` for a part of an association.
    """

    dataset: str
    members: tuple[Member, ...]
    asn_id: str | None = None

    @property
    def association(self) -> str | None:
        """Name of the association, or of the part of one (its last character may be a letter); None otherwise."""
        return self.dataset if self.asn_id or is_association(self.dataset) else None

    @property
    def table(self) -> str:
        """Name of the association table."""
        return self.asn_id or self.dataset

    @property
    def method(self) -> str:
        """Method of the drizzled product: that of the repaired members, or mixed."""
        methods = {member.method for member in self.members if member.repaired}
        return methods.pop() if len(methods) == 1 else "mixed"

    @property
    def raw_bytes(self) -> int:
        """Estimated size of the raw files."""
        return sum(m.n_pixels * m.nsamp * _RAW_BYTES for m in self.members)

    @property
    def fetch_bytes(self) -> int:
        """Bytes to fetch: RAW and FLT of every member, and the drizzled image."""
        flts = sum(m.n_pixels * _FLT_BYTES for m in self.members)
        drz = self.members[0].n_pixels * _DRZ_BYTES if self.association else 0
        return self.raw_bytes + flts + drz

    @property
    def typical_seconds(self) -> float:
        """Time of the repair on a typical machine [s]."""
        return _DATASET_SECONDS + _EXPOSURE_SECONDS * sum(m.n_pixels * m.nsamp / 16 / 2**20 for m in self.members)

    def memory_mb(self, exposures: int = 2) -> float:
        """Return the memory of a worker and its drizzling process, for a number of exposures calibrated in parallel."""
        reads = sorted((m.n_pixels * m.nsamp for m in self.members), reverse=True)[:exposures]
        drizzled = sum(m.n_pixels for m in self.members)
        return _LIBRARIES_MB + (sum(reads) * _READ_BYTES + drizzled * _DRIZZLED_BYTES) / 2**20


def scratch_bytes(repairs: Sequence[Repair], jobs: int) -> int:
    """Return the disk space that the largest datasets take during their repair [byte].

    It includes fetched files, new exposures and their copies, and the reads of one exposure (an IMA is five times as
    large as its RAW), for the portion being repaired and the next.
    """
    sizes = (repair.fetch_bytes + 2 * repair.raw_bytes for repair in repairs)
    return sum(sorted(sizes, reverse=True)[: 2 * AHEAD * max(jobs, 1)])


def memory_limit_mb(settings: ReprocessSettings) -> float:
    """Return the memory limit for all workers on this machine together [Mbyte]."""
    return _SHARE * available_mb() if settings.memory_gb is None else settings.memory_gb * 1000
