"""Simulate a catalog as large as an archive, without pixels: random visits and the rows of their measurement.

Orbit, geometry, zodiacal light and score are those of the package. The variable light is random: helium that rises 12
to 18 deg after dawn and falls at dusk, stronger in the winter hemisphere and at solar maximum, and light scattered from
the bright limb (shapes after Brammer et al., WFC3 ISR 2014-03, and the IBOHBF040 visit). Its strength is set so that
the excess of F105W until 2014 comes near Brammer's percentiles (0.1, 0.5, 1.5 electron/s at 50, 75, 95 %). Nothing
can be learned about the sky from it: it serves to try and test queries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.catalog.catalog import Catalog, open_catalog
from wfc3tvb.catalog.run_log import versions
from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve.footprint import sky_place
from wfc3tvb.curve.geometry import Geometry, direction, orbit_position, sun_direction, view_geometry
from wfc3tvb.dates import DAY
from wfc3tvb.instrument import sees_helium
from wfc3tvb.models import Measurement, OrbitElements, Row
from wfc3tvb.progress import Progress, silent
from wfc3tvb.schema import TABLES
from wfc3tvb.score.score import score
from wfc3tvb.score.zodiacal import zodiacal_level
from wfc3tvb.simulate.orbit import orbit_at
from wfc3tvb.simulate.timing import sample_times
from wfc3tvb.survey.fit_visits import fit_visits

Float64Array = NDArray[np.float64]

#: First and last day [MJD]: August 2009 to the end of 2024.
FIRST_DAY, LAST_DAY = 55060.0, 60675.0
#: Filters and their probabilities.
_FILTERS = {"F105W": 0.4, "F110W": 0.25, "F125W": 0.1, "F140W": 0.1, "F160W": 0.15}
_SEQUENCES = ("SPARS50", "SPARS100", "SPARS100", "STEP100", "STEP200")
#: Frequently observed fields and their directions [deg].
_FIELDS = {
    "GOODS-N": (189.2, 62.2), "GOODS-S": (53.1, -27.8), "COSMOS": (150.1, 2.3), "UDS": (34.4, -5.2),
    "EGS": (214.8, 52.8),
}  # fmt: skip
#: Hubble observes at least this far from the Sun, and from the bright and the dark limb [deg] (Primer, section 5).
_SUN_AVOIDED, _BRIGHT_AVOIDED, _DARK_AVOIDED = 55.0, 20.0, 7.6
#: Period of the telescope's orbit [s].
_ORBIT = 5730.0
#: Largest level of helium, before season and solar cycle [electron/s]; it is seen up to six times as bright as the
#: zodiacal light (WFC3 Data Handbook 7.10).
_STRONGEST = 1.8
#: Noise of a read's level [electron], and systematic error of a rate after calibration [electron/s].
_READ, _SYSTEMATIC = 0.21, 0.01
_RUN = "drawn"


@dataclass(frozen=True)
class _Visit:
    """A simulated visit."""

    name: str
    target: str
    ra: float
    dec: float
    pa_v3: float
    start: float
    filter: str
    sequence: str
    strength: float
    orbit: OrbitElements


def simulate_catalog(folder: Path, n_visits: int = 500, *, seed: int = 1083, progress: Progress = silent) -> Catalog:
    """Make a catalog of simulated visits of one to six exposures, and return it open for writing.

    Parameters
    ----------
    folder : Path
        Folder of the catalog.
    n_visits : int, optional
        Number of visits, about 3.5 exposures and 0.1 s each.
    seed : int, optional
        Seed of the random numbers; another seed gives another archive.
    progress : Progress, optional
        Called with stage ``visits``.

    Raises
    ------
    CatalogNotWritableError
        If the folder cannot be written.
    """
    catalog = open_catalog(folder, mode="a")
    measured: list[Measurement] = []
    datasets: list[Row] = []
    for index in range(n_visits):
        exposures = list(_exposures(_draw(index, seed), np.random.default_rng([seed, index, 1])))
        measured += exposures
        datasets.append(_dataset([measurement.exposure for measurement in exposures]))
        progress("visits", index + 1, n_visits)
    catalog.record(measured)
    catalog.replace("datasets", datasets)
    catalog.replace("runs", [_run(len(measured), n_visits, seed)])
    fit_visits(catalog, everything=True)
    catalog.update_views()
    return catalog


def _run(n_done: int, n_visits: int, seed: int) -> Row:
    """Return the row of `runs` for all simulated exposures."""
    return TABLES["runs"].empty_row() | {
        "run_id": _RUN, "command": "simulate", "arguments": json.dumps({"n_visits": n_visits, "seed": seed}),
        "versions": json.dumps(versions(), sort_keys=True), "n_done": n_done, "n_failed": 0,
        "started_at": LAST_DAY, "ended_at": LAST_DAY,
    }  # fmt: skip


def solar_activity(mjd: float | Float64Array) -> Float64Array:
    """Return a smooth solar cycle of 11 years, 0 at the minimum of December 2008 and 1 at its maximum."""
    return np.asarray((1 - np.cos(2 * np.pi * (np.asarray(mjd) - 54800.0) / (11 * 365.25))) / 2)


def _draw(index: int, seed: int) -> _Visit:
    rng = np.random.default_rng([seed, index])
    while True:
        start = rng.uniform(FIRST_DAY, LAST_DAY)
        target, (ra, dec) = _target(rng)
        if float(direction(ra, dec) @ sun_direction(np.array([start]))[0]) < np.cos(np.radians(_SUN_AVOIDED)):
            break
    return _Visit(
        name=f"is{_code(index)}",
        target=target,
        ra=ra,
        dec=dec,
        pa_v3=float(np.random.default_rng([seed, index, 2]).uniform(0, 360)),
        start=start,
        filter=str(rng.choice(list(_FILTERS), p=list(_FILTERS.values()))),
        sequence=str(rng.choice(_SEQUENCES)),
        strength=float(min(rng.lognormal(np.log(0.75), 0.7), _STRONGEST)),
        orbit=orbit_at(start),
    )


def _target(rng: np.random.Generator) -> tuple[str, tuple[float, float]]:
    """Return one of the fields or, with probability 1/2, a random direction."""
    if rng.random() < 0.5:
        name = str(rng.choice(list(_FIELDS)))
        return name, _FIELDS[name]
    return "ANY", (float(rng.uniform(0, 360)), float(np.degrees(np.arcsin(rng.uniform(-1, 1)))))


def _code(index: int) -> str:
    """Return four characters, unique for every index below 36^4."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    return "".join(digits[index // 36**k % 36] for k in (3, 2, 1, 0))


def _exposures(visit: _Visit, rng: np.random.Generator) -> Iterator[Measurement]:
    """Yield the exposures of a visit, one after the other while the target is visible, up to two per orbit."""
    times = sample_times(visit.sequence, int(rng.integers(11, 17)))
    when = visit.start
    for exposure_index in range(int(rng.integers(1, 7))):
        when = _visible_from(visit, when, float(times[-1]))
        yield _measure(visit, exposure_index, when, times, rng)
        when += (times[-1] + 60) / DAY


def _visible_from(visit: _Visit, mjd: float, length: float) -> float:
    """Return the first minute from which the target is far enough from the limb for the whole exposure."""
    for start in mjd + np.arange(0, 3 * _ORBIT, 60) / DAY:
        seen = _look(visit, start + np.linspace(0, length, 12) / DAY)
        if bool((seen.limb_angle > np.where(seen.bright_limb, _BRIGHT_AVOIDED, _DARK_AVOIDED)).all()):
            return float(start)
    return float(mjd)  # never visible: Hubble would observe it in another week


def _look(visit: _Visit, mjd: Float64Array) -> Geometry:
    return view_geometry(orbit_position(visit.orbit, mjd), mjd, visit.ra, visit.dec)


def _measure(
    visit: _Visit, exposure_index: int, start: float, times: Float64Array, rng: np.random.Generator
) -> Measurement:
    """Return an exposure with the rows of its reads, as a measurement of an IMA file returns them."""
    rootname, dt = f"{visit.name}{exposure_index:02d}q", np.diff(times)
    mjd = start + (times[1:] + times[:-1]) / 2 / DAY
    seen = _look(visit, mjd)
    zodi = zodiacal_level(visit.filter, visit.ra, visit.dec, start) or 0.5
    side = _scattered(seen, rng)
    rate = zodi + _helium(visit, seen, mjd) + 0.5 * side
    rate = rate + np.diff(rng.normal(0, _READ, times.size)) / dt + rng.normal(0, _SYSTEMATIC)
    reads = _read_rows(rootname, times, mjd, rate, side + rng.normal(0, 0.02, dt.size), seen)
    exposure = TABLES["exposures"].empty_row() | {
        "rootname": rootname, "dataset": f"{visit.name}010", "asn_id": f"{visit.name}010", "visit": visit.name,
        "proposal_id": 12000 + int((visit.start - FIRST_DAY) / 8), "target_name": visit.target,
        "filter": visit.filter, "samp_seq": visit.sequence, "nsamp": times.size, "exptime": float(times[-1]),
        "expstart": start, "expend": start + float(times[-1]) / DAY, "aperture": "IR", "subarray": False,
        "ra": visit.ra, "dec": visit.dec, "pa_v3": visit.pa_v3, "cal_ver": "wfc3tvb drawn", "crrejtab_sigma": 4.0,
        "quality_flags": [], "geometry_source": "tle", "source": "simulated", "rows_used": 0, "bytes_read": 0,
        "measure_version": "drawn", "measured_at": LAST_DAY, "run_id": _RUN,
    }  # fmt: skip
    return Measurement(score(exposure | sky_place(exposure), reads, MeasureSettings()), reads)


def _helium(visit: _Visit, seen: Geometry, mjd: Float64Array) -> Float64Array:
    """Return the helium in every read [electron/s]: only in sunlight, delayed after dawn."""
    if not sees_helium(visit.filter):
        return np.zeros(mjd.size)
    half = np.where(seen.sun_hour_angle < 0, 20.0, 6.0)
    lit = np.where(seen.in_shadow, 0.0, 1 / (1 + np.exp((half - seen.sun_alt) / 4)))
    season = -np.cos(2 * np.pi * (mjd - 55187.0) / 365.25)  # -1 at the December solstice, 1 in June
    winter = 1 - 0.8 * season * np.sin(np.radians(seen.latitude)) / np.sin(np.radians(28.5))
    return np.asarray(visit.strength * (0.5 + solar_activity(mjd)) * winter * lit)


def _scattered(seen: Geometry, rng: np.random.Generator) -> Float64Array:
    """Return left minus right of every read [electron/s]: large close to the bright limb."""
    close = np.exp(-(seen.limb_angle - 22) / 5) * seen.bright_limb
    return np.asarray(rng.uniform(0, 1.5) * np.minimum(close, 1.5))


def _read_rows(
    root: str, times: Float64Array, mjd: Float64Array, rate: Float64Array, side: Float64Array, seen: Geometry
) -> list[Row]:
    dt = np.diff(times)
    error = np.sqrt(2) * _READ / dt
    total = np.cumsum(rate * dt) / times[1:]
    names = ("sun_alt", "limb_angle", "bright_limb", "los_zenith", "latitude", "longitude", "sun_hour_angle",
             "in_shadow")  # fmt: skip
    return [
        TABLES["reads"].empty_row() | {
            "rootname": root, "read": i + 1, "t_start": float(times[i]), "t_end": float(times[i + 1]),
            "used": bool(i > 0 and dt[i] >= 5 and error[i] <= 0.1), "rate": float(rate[i]),
            "rate_err": float(error[i]), "cumulative_rate": float(total[i]), "lr_diff": float(side[i]),
            "lr_ratio": float(1 + side[i] / max(rate[i], 0.1)), "mjd": float(mjd[i]), "frac_new_cr": 0.0,
            "n_pixels": 0,
        } | {name: getattr(seen, name)[i].item() for name in names}
        for i in range(dt.size)
    ]  # fmt: skip


def _dataset(exposures: list[Row]) -> Row:
    """Return the association of a visit, as MAST lists it."""
    first, last = exposures[0], exposures[-1]
    return TABLES["datasets"].empty_row() | {
        "dataset": first["dataset"], "asn_id": first["asn_id"], "instrument_config": "WFC3/IR",
        "filters": first["filter"], "proposal_id": first["proposal_id"], "target_name": first["target_name"],
        "start_time": first["expstart"], "stop_time": last["expend"],
        "members": [row["rootname"] for row in exposures],
    }  # fmt: skip
