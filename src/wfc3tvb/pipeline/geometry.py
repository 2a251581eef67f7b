"""The geometry columns of the rows of `reads`."""

from __future__ import annotations

import numpy as np

from wfc3tvb.exposure import OrbitElements, ReadCube, Row
from wfc3tvb.science.geometry import Geometry, orbit_position, view_geometry
from wfc3tvb.science.ramp import Curve

_COLUMNS = (
    "sun_alt", "limb_angle", "bright_limb", "los_zenith", "latitude", "longitude", "sun_hour_angle", "in_shadow",
)  # fmt: skip


def geometry_rows(cube: ReadCube, curve: Curve, orbit: OrbitElements | None) -> list[Row]:
    """Return mjd and, where there is an orbit, the geometry in the middle of each interval."""
    mjd = cube.mjd - (curve.t_end - curve.t_start) / 2 / 86400
    rows: list[Row] = [{"mjd": float(m) if np.isfinite(m) else None} for m in mjd]
    ra, dec = (cube.header.get(key) for key in ("RA_APER", "DEC_APER"))
    if orbit is None or not isinstance(ra, float) or not isinstance(dec, float) or not np.isfinite(mjd).all():
        return rows
    place = view_geometry(orbit_position(orbit, mjd), mjd, ra, dec)
    return [row | _row(place, i) for i, row in enumerate(rows)]


def _row(place: Geometry, i: int) -> Row:
    return {name: getattr(place, name)[i].item() for name in _COLUMNS}
