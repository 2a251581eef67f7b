"""The geometry columns of the rows of `reads`."""

from __future__ import annotations

import numpy as np

from wfc3tvb.exposure import OrbitElements, ReadCube, Row
from wfc3tvb.science.geometry import Geometry, orbit_position, view_geometry
from wfc3tvb.science.ramp import Curve

_DAY = 86400.0
_COLUMNS = (
    "sun_alt", "limb_angle", "bright_limb", "los_zenith", "latitude", "longitude", "sun_hour_angle", "in_shadow",
)  # fmt: skip


def geometry_rows(cube: ReadCube, curve: Curve, orbit: OrbitElements | None) -> list[Row]:
    """Return mjd and, where there is an orbit and a direction, the geometry in the middle of each interval.

    Where the reads do not carry their time, the exposure's start and the time since the zeroth read give it.
    """
    start = cube.header.get("EXPSTART")
    fallback = start + cube.t / _DAY if isinstance(start, int | float) else np.full(cube.t.size, np.nan)
    mjd = np.where(np.isfinite(cube.mjd), cube.mjd, fallback) - (curve.t_end - curve.t_start) / 2 / _DAY
    rows: list[Row] = [{"mjd": float(m) if np.isfinite(m) else None} for m in mjd]
    target = _target(cube)
    if orbit is None or target is None or not np.isfinite(mjd).all():
        return rows
    place = view_geometry(orbit_position(orbit, mjd), mjd, *target)
    return [row | _row(place, i) for i, row in enumerate(rows)]


def _target(cube: ReadCube) -> tuple[float, float] | None:
    """Return where the aperture points, or the target where the header does not say that [deg]."""
    for keys in (("RA_APER", "DEC_APER"), ("RA_TARG", "DEC_TARG")):
        ra, dec = (cube.header.get(key) for key in keys)
        if isinstance(ra, int | float) and isinstance(dec, int | float) and np.isfinite([ra, dec]).all():
            return float(ra), float(dec)
    return None


def _row(place: Geometry, i: int) -> Row:
    return {name: getattr(place, name)[i].item() for name in _COLUMNS}
