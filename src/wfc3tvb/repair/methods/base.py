"""Interface of a method of repair: its steps before and after the engine, with their input and output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.calibration.model import Rejection
from wfc3tvb.errors import CalibrationError
from wfc3tvb.fits.calibrated_reads import CalibratedReads, IntegrationReads, UnfittedRamp, read_calibrated
from wfc3tvb.references.crds import References
from wfc3tvb.references.tables import rejection
from wfc3tvb.repair.model import Member
from wfc3tvb.schema.methods import Method

Float64Array = NDArray[np.float64]


@dataclass(frozen=True)
class EngineFiles:
    """Products of the engine, run with the method's CRCORR.

    Attributes
    ----------
    ima : Path or CalibratedReads
        Calibrated reads in electron/s without a ramp fit: their file, or as the engine handed them over.
    flt : Path
        The image to be replaced.
    references : References
        Reference files that the engine used.
    """

    ima: Path | CalibratedReads
    flt: Path
    references: References

    @cached_property
    def calibrated(self) -> CalibratedReads:
        """Calibrated reads, in time order, without reference pixels."""
        return self.ima if isinstance(self.ima, CalibratedReads) else read_calibrated(self.ima)

    @cached_property
    def reads(self) -> IntegrationReads:
        """Calibrated reads as a fit of their differences needs them."""
        return self.calibrated.integration()

    def ramp(self) -> UnfittedRamp:
        """Return the calibrated reads as ramps of counts, in arrays that may be changed."""
        return self.calibrated.ramp()

    def rejection(self) -> Rejection:
        """Return the rejection limits of the exposure's CRREJTAB, as calwf3 uses them."""
        if (name := self.references.names.get("CRREJTAB")) is None:
            return Rejection()
        header = self.calibrated.header
        return rejection(self.references.folder / name, int(header["NSAMP"]), float(header["EXPTIME"]))


@dataclass(frozen=True)
class Image:
    """Changes of an FLT.

    Attributes
    ----------
    planes : mapping of str to ndarray, shape (ny, nx)
        New planes by extension name, without reference pixels: SCI and ERR [electron/s], DQ, SAMP, TIME [s].
    keywords : mapping
        New values in the primary header.
    history : tuple of str
        Lines for its HISTORY.
    hits : ndarray, shape (ny, nx), uint32, optional
        Bit k is set where the interval that ends at read k has a hit; None where the method looks for none itself.
    """

    planes: Mapping[str, NDArray[Any]]
    keywords: Mapping[str, Any] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    hits: NDArray[np.uint32] | None = None


def no_reads(member: Member) -> tuple[int, ...]:
    """Return an empty tuple, for methods that use all reads."""
    return ()


@dataclass(frozen=True)
class RepairMethod:
    """Steps of a method; a step that is None is skipped.

    Attributes
    ----------
    description : Method
        Its entry in `schema.methods`.
    change_raw : callable, optional
        Changes the copy of the RAW file before the engine reads it.
    make_image : callable, optional
        Makes the image from the calibrated reads.
    recover : callable, optional
        Makes an image with recovered pixels that saturated in the last reads, if requested and `make_image` is None.
    left_out : callable
        Returns the reads (1..N) that are not used in the image.
    """

    description: Method
    change_raw: Callable[[Path, Member], None] | None = None
    make_image: Callable[[EngineFiles, Member], Image] | None = None
    recover: Callable[[EngineFiles, Member], Image] | None = None
    left_out: Callable[[Member], tuple[int, ...]] = no_reads

    def after_engine(self, *, recover: bool) -> Callable[[EngineFiles, Member], Image] | None:
        """Return the step that follows the engine; None where the engine's own image is the result."""
        return self.make_image or (self.recover if recover else None)


def sky_curve(member: Member, times: Float64Array) -> Float64Array:
    """Return the sky's cumulative rate at every read of an exposure except the zeroth [electron/s].

    Parameters
    ----------
    member : Member
        The exposure, from the catalog.
    times : ndarray, shape (n,)
        Time since the zeroth read of every later read in the file [s].

    Raises
    ------
    CalibrationError
        If the catalog has no curve, or its number of reads is not that of the file.
    """
    if not member.cumulative:
        raise CalibrationError(member.rootname, "the catalog has no curve of its sky; survey it again, or use omit")
    if len(member.cumulative) != len(times):
        problem = f"the catalog has {len(member.cumulative)} reads of this exposure, and the file has {len(times)}"
        raise CalibrationError(member.rootname, f"{problem}; survey it again")
    return np.array(member.cumulative, np.float64)
