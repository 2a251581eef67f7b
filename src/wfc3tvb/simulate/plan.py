"""Plan of a simulation: targets, exposures, visits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.dates import DAY
from wfc3tvb.models import OrbitElements
from wfc3tvb.simulate.expose import Trail
from wfc3tvb.simulate.frame import FULL
from wfc3tvb.simulate.optics import Pointing, point_at
from wfc3tvb.simulate.orbit import orbit_at, sun_altitude
from wfc3tvb.simulate.sky_models import Sky, SkyModel
from wfc3tvb.simulate.timing import MAX_NSAMP, sample_times

Float64Array = NDArray[np.float64]

#: Velocity aberration's change of scale (keyword VAFACTOR): an ordinary value, the same for all exposures.
_VAFACTOR = 0.99997
#: Time from PSTRTIME, the planned start of an exposure's activities, to its start [s]: 16 to 37 on WFC3.
LEAD = 26.0


@dataclass(frozen=True)
class Target:
    """A target of a program.

    Attributes
    ----------
    name : str
        Keyword TARGNAME.
    ra, dec : float
        Position [deg].
    proposal : int
        Keyword PROPOSID.
    pa_v3 : float
        Position angle of the V3 axis [deg].
    """

    name: str
    ra: float
    dec: float
    proposal: int
    pa_v3: float


@dataclass(frozen=True)
class ExposurePlan:
    """One exposure.

    Attributes
    ----------
    rootname : str
        Nine characters, lower case.
    start : float
        EXPSTART [MJD, UTC].
    target : Target
        Where it looks.
    model : SkyModel
        Model of the sky.
    filter, samp_seq, nsamp : str, str, int
        As the keywords.
    postarg : tuple of float
        Offset of the target from the reference pixel [arcsec].
    trail : Trail or None
        A satellite.
    """

    rootname: str
    start: float
    target: Target
    model: SkyModel
    filter: str = "F105W"
    samp_seq: str = "STEP200"
    nsamp: int = MAX_NSAMP
    postarg: tuple[float, float] = (0.0, 0.0)
    trail: Trail | None = None

    def times(self, size: int = FULL) -> Float64Array:
        """Return the time of every read since the zeroth [s], shape (nsamp,)."""
        return sample_times(self.samp_seq, self.nsamp, size)

    @property
    def orbit(self) -> OrbitElements:
        """Orbit of the telescope on that date."""
        return orbit_at(self.start)

    @property
    def pointing(self) -> Pointing:
        """Pointing of the telescope."""
        target = self.target
        return point_at((target.ra, target.dec), target.pa_v3, self.postarg, _VAFACTOR)

    def sun_alt(self, t: Float64Array) -> Float64Array:
        """Return the altitude of the Sun above the Earth's limb [deg] at times since the zeroth read [s]."""
        return sun_altitude(self.orbit, self.start + t / DAY)

    def sky(self, size: int = FULL) -> Sky:
        """Return the level of the sky in every interval."""
        return self.model.sky(self.times(size), self.sun_alt)


@dataclass(frozen=True)
class VisitPlan:
    """Exposures of one target: an association, or single ones.

    Attributes
    ----------
    association : str or None
        Its name, nine characters ending in a digit; None for lone exposures.
    exposures : tuple of ExposurePlan
        In order of time.
    """

    association: str | None
    exposures: tuple[ExposurePlan, ...]


@dataclass(frozen=True)
class Preset:
    """A named set of visits.

    Attributes
    ----------
    name, title : str
        Name, and what it shows in one line.
    visits : tuple of VisitPlan
        The visits.
    size : int
        Edge of the frame when none is asked for.
    seed : int
        Of the noise when none is asked for.
    detector_seed : int
        Of the detector's maps; part of the names of its reference files.
    """

    name: str
    title: str
    visits: tuple[VisitPlan, ...]
    size: int = 256
    seed: int = 2013
    detector_seed: int = 2013

    @property
    def exposures(self) -> tuple[ExposurePlan, ...]:
        """All exposures."""
        return tuple(exposure for visit in self.visits for exposure in visit.exposures)
