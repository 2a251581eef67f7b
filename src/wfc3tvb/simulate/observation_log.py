"""Make observation logs (``_jit``): pointing and position of the telescope every three seconds."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.curve.geometry import orbit_position, view_geometry
from wfc3tvb.dates import DAY
from wfc3tvb.simulate.plan import ExposurePlan, VisitPlan

#: Time between rows [s].
_STEP = 3.0
#: Columns of the table in the order of the archive's files, with format and unit.
_COLUMNS = (
    ("Seconds", "E", "seconds"), ("V2_dom", "E", "arcsec"), ("V3_dom", "E", "arcsec"), ("V2_roll", "E", "arcsec"),
    ("V3_roll", "E", "arcsec"), ("SI_V2_AVG", "E", "arcsec"), ("SI_V2_RMS", "E", "arcsec"),
    ("SI_V2_P2P", "E", "arcsec"), ("SI_V3_AVG", "E", "arcsec"), ("SI_V3_RMS", "E", "arcsec"),
    ("SI_V3_P2P", "E", "arcsec"), ("RA", "D", "degrees"),
    ("DEC", "D", "degrees"), ("Roll", "D", "degrees"), ("LimbAng", "E", "degrees"), ("TermAng", "E", "degrees"),
    ("LOS_Zenith", "E", "degrees"), ("Latitude", "E", "degrees"), ("Longitude", "E", "degrees"),
    ("Mag_V1", "E", "Gauss"), ("Mag_V2", "E", "Gauss"), ("Mag_V3", "E", "Gauss"), ("BrightLimb", "I", ""),
    ("FGS_flags", "E", ""), ("DayNight", "I", ""), ("Recenter", "I", ""), ("TakeData", "I", ""), ("SlewFlag", "I", ""),
)  # fmt: skip


def observation_log(plan: ExposurePlan, size: int) -> fits.BinTableHDU:
    """Return the table of one exposure, from EXPSTART on; it has no STARTIME, which real files have in the JIF."""
    length = plan.times(size)[-1] + 2 * _STEP
    seconds = np.arange(0, length + _STEP, _STEP)
    values = _values(plan, plan.start + seconds / DAY, seconds)
    nothing = np.zeros(seconds.size)
    columns = [fits.Column(name, form, unit, array=values.get(name, nothing)) for name, form, unit in _COLUMNS]
    header = fits.Header({"EXPNAME": f"{plan.rootname[:8]}j"})
    return fits.BinTableHDU.from_columns(columns, header=header, name=f"{plan.rootname[:8]}j")


def _values(
    plan: ExposurePlan, mjd: NDArray[np.float64], seconds: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the columns that are not zero; DayNight is, in the Earth's shadow too, as in the archive's files."""
    target = plan.target
    place = view_geometry(orbit_position(plan.orbit, mjd), mjd, target.ra, target.dec)
    one = np.ones(seconds.size)
    return {
        "Seconds": seconds,
        "RA": target.ra * one,
        "DEC": target.dec * one,
        "Roll": target.pa_v3 * one,
        "LimbAng": place.limb_angle,
        "TermAng": 1.6e36 * one,
        "LOS_Zenith": place.los_zenith,
        "Latitude": place.latitude,
        "Longitude": place.longitude % 360,
        "BrightLimb": place.bright_limb.astype(float),
        "TakeData": one,
    }


def jitter_file(visit: VisitPlan, size: int) -> fits.HDUList:
    """Return the observation logs of a visit's exposures, as one file of the archive."""
    tables = [observation_log(plan, size) for plan in visit.exposures]
    first = visit.exposures[0]
    facts = {"TELESCOP": "HST", "INSTRUME": "WFC3", "ROOTNAME": visit.association or f"{first.rootname[:8]}j"}
    primary = fits.PrimaryHDU(header=fits.Header(facts | {"NEXTEND": len(tables), "PROPOSID": first.target.proposal}))
    return fits.HDUList([primary, *tables])
