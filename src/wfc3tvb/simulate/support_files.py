"""Make support files (``_spt``) and association tables (``_asn``)."""

from __future__ import annotations

import math

import numpy as np
from astropy.io import fits
from astropy.time import Time

from wfc3tvb.curve.geometry import orbit_position, sun_direction
from wfc3tvb.dates import DAY, MJD_1985
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.headers import filled, identity
from wfc3tvb.simulate.orbit import moon_direction, velocity
from wfc3tvb.simulate.plan import LEAD, ExposurePlan, Float64Array, VisitPlan

#: Number of words in the log after a real support file's header; they are not used.
_LOG_WORDS = 965


def support_file(plan: ExposurePlan, frame: Frame) -> fits.HDUList:
    """Return an exposure's support file: pointing, schedule and orbit in the primary header, then an empty log."""
    end = plan.start + plan.times(frame.size)[-1] / DAY
    values = identity(plan) | {
        "FILENAME": f"{plan.rootname}_spt.fits",
        "PROGRMID": plan.rootname[1:4].upper(),
        "OBSET_ID": plan.rootname[4:6].upper(),
        "OBSERVTN": plan.rootname[6:8].upper(),
        "SS_APER": frame.aperture,
        "SS_SUBAR": "NO" if frame.is_full else "YES",
        "PSTRTIME": Time(plan.start - LEAD / DAY, format="mjd").strftime("%Y.%j:%H:%M:%S"),
        "PSTPTIME": Time(end, format="mjd").strftime("%Y.%j:%H:%M:%S"),
        "RA_V1": plan.pointing.ra,
        "DEC_V1": plan.pointing.dec,
        "PA_V3": plan.target.pa_v3,
        "PA_APER": plan.pointing.pa_aperture,
        "RA_REF": plan.target.ra,
        "DEC_REF": plan.target.dec,
    }
    primary = fits.PrimaryHDU(header=filled("spt", values | _ephemeris(plan) | _elements(plan)))
    log = fits.ImageHDU(np.zeros(_LOG_WORDS, np.int16), name="UDL")
    return fits.HDUList([primary, log])


def _ephemeris(plan: ExposurePlan) -> dict[str, float]:
    """Return position, velocity, Sun and Moon at the start."""
    when = np.array([plan.start])
    position, speed = orbit_position(plan.orbit, when)[0], velocity(plan.orbit, plan.start)
    sun, moon = _angles(sun_direction(when)[0]), _angles(moon_direction(plan.start))
    names = (
        "POSTNSTX", "POSTNSTY", "POSTNSTZ", "VELOCSTX", "VELOCSTY", "VELOCSTZ",
        "RA_SUN", "DEC_SUN", "RA_MOON", "DEC_MOON",
    )  # fmt: skip
    return dict(zip(names, (*map(float, position), *map(float, speed), *sun, *moon), strict=True))


def _angles(vector: Float64Array) -> tuple[float, float]:
    return math.degrees(math.atan2(vector[1], vector[0])) % 360, math.degrees(math.asin(vector[2]))


def _elements(plan: ExposurePlan) -> dict[str, float]:
    """Return the orbit as the eighteen keywords of the onboard ephemeris model."""
    orbit, e = plan.orbit, plan.orbit.eccentricity
    axis = orbit.semi_latus_rectum / (1 - e**2)
    return {
        "EPCHTIME": orbit.epoch,
        "SDMEANAN": orbit.mean_motion_rate,
        "HSTHORB": 0.5 / orbit.mean_motion,
        "CIRVELOC": 2 * math.pi * orbit.mean_motion * axis,
        "COSINCLI": orbit.cos_inclination,
        "ECCENTRY": e,
        "ECCENTX2": 2 * e,
        "ECBDX4D3": 4 / 3 * e**3,
        "ESQDX5D2": 5 / 2 * e**2,
        "ECBDX3": 3 * e**3,
        "FDMEANAN": orbit.mean_motion,
        "RCASCNRD": 2 * math.pi * orbit.node_rate,
        "RCASCNRV": orbit.node_rate,
        "ARGPERIG": orbit.perigee,
        "MEANANOM": orbit.mean_anomaly,
        "RCARGPER": orbit.perigee_rate,
        "RASCASCN": orbit.node,
        "SINEINCL": orbit.sin_inclination,
        "SEMILREC": orbit.semi_latus_rectum,
        "TIMEFFEC": orbit.epoch,
        "OBSSTRTT": round((plan.start - MJD_1985) * DAY),
    }


def association_table(visit: VisitPlan) -> fits.HDUList:
    """Return the table of an association: its exposures (EXP-DTH) and its product (PROD-DTH)."""
    name, first = str(visit.association), visit.exposures[0]
    own = {"FILENAME": f"{name}_asn.fits", "ASN_ID": name, "ASN_TAB": f"{name}_asn.fits"}
    members = [exposure.rootname.upper() for exposure in visit.exposures]
    columns = [
        fits.Column("MEMNAME", "14A", array=[*members, name.upper()]),
        fits.Column("MEMTYPE", "14A", array=["EXP-DTH"] * len(members) + ["PROD-DTH"]),
        fits.Column("MEMPRSNT", "L", array=[True] * (len(members) + 1)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="ASN", ver=1)
    return fits.HDUList([fits.PrimaryHDU(header=filled("asn", identity(first, name) | own)), table])
