"""The geometry columns of the rows of `reads`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.curve.geometry import Geometry, jitter_geometry, orbit_position, view_geometry
from wfc3tvb.curve.intervals import Curve
from wfc3tvb.dates import DAY
from wfc3tvb.exposure import OrbitElements, ReadCube, Row

_COLUMNS = (
    "sun_alt", "limb_angle", "bright_limb", "los_zenith", "latitude", "longitude", "sun_hour_angle", "in_shadow",
)  # fmt: skip


def geometry_rows(cube: ReadCube, curve: Curve, orbit: OrbitElements | None) -> tuple[list[Row], str | None]:
    """Return mjd and, where the place is known, the geometry in the middle of each interval; and its source.

    The source is ``jit`` where the observation log covers all reads, else ``spt`` where there are orbit elements, else
    None. Where the reads do not carry their time, the exposure's start and the time since the zeroth read give it.
    """
    start = cube.header.get("EXPSTART")
    fallback = start + cube.t / DAY if isinstance(start, int | float) else np.full(cube.t.size, np.nan)
    mjd = np.where(np.isfinite(cube.mjd), cube.mjd, fallback) - (curve.t_end - curve.t_start) / 2 / DAY
    rows: list[Row] = [{"mjd": float(m) if np.isfinite(m) else None} for m in mjd]
    target = _target(cube)
    if target is None or not np.isfinite(mjd).all():
        return rows, None
    place, source = _place(cube, orbit, mjd, target)
    return (rows if place is None else [row | _row(place, i) for i, row in enumerate(rows)]), source


def _place(
    cube: ReadCube, orbit: OrbitElements | None, mjd: NDArray[np.float64], target: tuple[float, float]
) -> tuple[Geometry | None, str | None]:
    """Return the geometry at some times, and where it comes from."""
    logged = None if cube.jitter is None else jitter_geometry(cube.jitter, mjd, *target)
    if logged is not None:
        return logged, "jit"
    if orbit is None:
        return None, None
    return view_geometry(orbit_position(orbit, mjd), mjd, *target), "spt"


def _target(cube: ReadCube) -> tuple[float, float] | None:
    """Return where the aperture points, or the target where the header does not say that [deg]."""
    for keys in (("RA_APER", "DEC_APER"), ("RA_TARG", "DEC_TARG")):
        ra, dec = (cube.header.get(key) for key in keys)
        if isinstance(ra, int | float) and isinstance(dec, int | float) and np.isfinite([ra, dec]).all():
            return float(ra), float(dec)
    return None


def _row(place: Geometry, i: int) -> Row:
    return {name: getattr(place, name)[i].item() for name in _COLUMNS}
