"""Forecast of helium in the exposures of the archive's list until 2014, from two-line elements: the table `forecast`.

Usage: python study/forecast_table.py LIST ELEMENTS [FOLDER]; it writes the release into FOLDER
(catalogs/wfc3ir-2009-2014).

LIST is hst_search.txt.gz of github.com/gbrammer/wfc3 (folder data), ELEMENTS the two-line elements of satellite 20580
from Space-Track, two lines a set. study/forecast.py compares the result with what is known.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from listing import LIMBS, Dataset, read_list, sequences, starts, usual_number
from listing import Sequence as Readout
from numpy.typing import NDArray
from two_line_elements import Elements

from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.release import write_release
from wfc3tvb.config import MeasureSettings
from wfc3tvb.curve.geometry import Geometry, view_geometry
from wfc3tvb.dates import DAY
from wfc3tvb.instrument import FILTERS, find_filter
from wfc3tvb.schema import TABLES
from wfc3tvb.score.airglow import (
    FORECAST_VERSION,
    RESPONSE,
    excess_percentile,
    probability_above,
    relative_brightness,
)
from wfc3tvb.score.damage import damage_class, predict
from wfc3tvb.score.score import CRREJTAB_SIGMA, ELEVATED
from wfc3tvb.score.zodiacal import zodiacal_level
from wfc3tvb.simulate.timing import sample_times

Floats = NDArray[np.float64]
Row = dict[str, Any]
#: Function of the Sun's altitude, the angle of the line of sight from the zenith, and the Sun's hour angle.
Brightness = Callable[[Floats, Floats, Floats], Floats]

ROOT = Path(__file__).parents[1]
OUT = ROOT / "catalogs/wfc3ir-2009-2014"
#: Step of the geometry [s], and number of datasets whose positions are computed together.
_STEP, _TOGETHER = 20.0, 1000
#: Brightnesses straight up by day [electron/s] between which the least damaging one is looked for.
_LOWEST, _HIGHEST = 0.01, 30.0
#: Zodiacal light where the model has none [electron/s], and pixels drawn for a prediction.
_USUAL_ZODI, _N_PIXELS = 0.6, 2000
_PERCENTS = (50, 75, 95)
_NOTE = """**A forecast, not a measurement.** Nothing here was seen in an image. The table `datasets` is the archive's
list of 23,284 WFC3/IR associations and single exposures from September 2009 to January 2014 (seven filters; F110W is
not in it). The table `forecast` says where the Sun stood while they were taken, how much helium airglow such a view
has had in general, and how probable it is that calwf3's ramp fit was damaged by it. Columns that need a measurement
are empty.

Ask it: `wfc3tvb query forecast --catalog catalogs/wfc3ir-2009-2014`, or `SELECT ... FROM 'forecast.parquet'` in any
DuckDB; measured exposures join it by `dataset` (for single exposures the rootname). `wfc3tvb survey --order risk`
fetches the probable ones first. How it is made, its errors and how it was checked: docs/study-forecast.md; made by
study/forecast_table.py from

- the list: MAST's, as saved on 3 January 2014 in github.com/gbrammer/wfc3, data/hst_search.txt.gz;
- the orbit: two-line elements of satellite 20580 (Space-Track), through SGP4;
- the brightness: percentiles of the helium excess of the F105W exposures until 2014 (G. Brammer, in the history of
  the exposure time calculator's file el10830a_002.fits), and the published curves of visit IBOHBF040 (STScI's
  notebook calwf3_recal_tvb).

"""


@dataclass(frozen=True)
class View:
    """Times within a dataset [MJD], the geometry then, and the relative brightness of helium."""

    mjd: Floats
    place: Geometry
    relative: Floats

    def means(self, start: float, times: Floats) -> Floats:
        """Return the mean relative brightness between times [s] after a start [MJD]."""
        seconds = (self.mjd - start) * DAY
        middles = (self.relative[1:] + self.relative[:-1]) / 2
        total = np.concatenate([[0.0], np.cumsum(middles * np.diff(seconds))])
        return np.asarray(np.diff(np.interp(times, seconds, total)) / np.diff(times))


def views(
    datasets: Sequence[Dataset], elements: Elements, brightness: Brightness = relative_brightness
) -> Iterator[View]:
    """Yield the view of every dataset."""
    for first in range(0, len(datasets), _TOGETHER):
        some = datasets[first : first + _TOGETHER]
        grids = [_grid(each) for each in some]
        places = np.split(elements.position(np.concatenate(grids)), np.cumsum([grid.size for grid in grids])[:-1])
        for dataset, mjd, position in zip(some, grids, places, strict=True):
            place = view_geometry(position, mjd, dataset.ra, dataset.dec)
            yield View(mjd, place, brightness(place.sun_alt, place.los_zenith, place.sun_hour_angle))


def _grid(dataset: Dataset) -> Floats:
    """Return times from start to stop, the latter at least as long after the former as the exposure takes."""
    span = max(dataset.stop - dataset.start, dataset.exptime / DAY)
    return dataset.start + np.linspace(0, span, max(3, int(np.ceil(span * DAY / _STEP)) + 1))


@dataclass(frozen=True)
class Exposures:
    """Probable exposures of a dataset: sequences they may have, number, starts [MJD], length [s]."""

    readouts: list[Readout]
    n: int
    starts: Floats
    length: float

    def read_times(self) -> Iterator[Floats]:
        """Yield the times of the reads of every sequence [s]; 16 even ones where none is known."""
        for each in self.readouts:
            times = sample_times(each.name, each.nsamp)
            yield times * (self.length / times[-1])
        if not self.readouts:
            yield np.linspace(0, self.length, 16)


def exposures_of(dataset: Dataset, view: View) -> Exposures:
    """Return the probable exposures of a dataset."""
    found = sequences(dataset)
    numbers = {each.n_exposures for each in found}
    n = numbers.pop() if len(numbers) == 1 else usual_number(dataset)
    begins = starts(dataset, n, view.mjd, view.place.limb_angle, view.place.bright_limb)
    return Exposures(found, n, begins, dataset.exptime / n)


def random_places(exposures: Exposures, view: View, rng: np.random.Generator) -> list[float]:
    """Return random starts of the exposures [MJD] at which the target is visible from beginning to end."""
    if exposures.n == 1:
        return exposures.starts.tolist()
    length = exposures.length / DAY
    free = view.place.limb_angle > np.where(view.place.bright_limb, *LIMBS)
    hidden = np.concatenate([[0], np.cumsum(~free)])
    ends = np.searchsorted(view.mjd, view.mjd + length)
    possible = np.flatnonzero((hidden[np.minimum(ends + 1, view.mjd.size)] == hidden[:-1]) & (ends < view.mjd.size))
    return rng.choice(view.mjd[possible], exposures.n).tolist() if possible.size else exposures.starts.tolist()


def least_damaging(times: Floats, relative: Floats, zodi: float) -> float:
    """Return the brightness straight up by day from which an exposure is moderately or severely damaged [electron/s].

    Parameters
    ----------
    times : ndarray, shape (n + 1,)
        Times of the reads [s], the zeroth included.
    relative : ndarray, shape (n,)
        Relative brightness between them.
    zodi : float
        Zodiacal light [electron/s].
    """
    if not is_scored(times) or not damaged(times, zodi + _HIGHEST * relative):
        return np.inf
    low, high = np.log(_LOWEST), np.log(_HIGHEST)
    for _ in range(7):  # to 6 %
        middle = (low + high) / 2
        low, high = (low, middle) if damaged(times, zodi + np.exp(middle) * relative) else (middle, high)
    return float(np.exp((low + high) / 2))


def is_scored(times: Floats) -> bool:
    """Return whether an exposure has enough reads for a score."""
    usual = MeasureSettings()
    return int((np.diff(times)[1:] >= usual.min_interval).sum()) >= usual.min_reads


def damaged(times: Floats, rate: Floats) -> bool:
    """Return whether the class of an exposure with these rates between reads is moderate or severe."""
    rng = np.random.default_rng(0)
    found = predict(times[1:], np.cumsum(rate * np.diff(times)), CRREJTAB_SIGMA, rng, n_pixels=_N_PIXELS)
    return damage_class(found.frac_broken, 0.0, found.level_bias) in ("moderate", "severe")


def forecast_row(dataset: Dataset, view: View, age: float) -> Row:
    """Return the row of `forecast` of a dataset."""
    exposures = exposures_of(dataset, view)
    relative = np.array([view.means(start, np.array([0, exposures.length]))[0] for start in exposures.starts])
    row = TABLES["forecast"].empty_row() | _of_list(dataset, exposures) | _of_place(dataset, exposures, view)
    row |= {"elements_age": round(age, 2), "relative_helium": round(float(relative.mean()), 3)}
    row |= {"basis": "orbit", "forecast_version": FORECAST_VERSION}
    known = find_filter(dataset.filter)
    zodi = zodiacal_level(dataset.filter, dataset.ra, dataset.dec, dataset.start)
    row["zodi_model"] = None if zodi is None else round(zodi, 3)
    kilorayleigh = FILTERS["F105W"].kilorayleigh or 0.0
    for percent in _PERCENTS:
        excess = excess_percentile(relative, percent)
        row[f"he_kr_{percent}"] = round(excess * kilorayleigh, 3)
        if dataset.filter in RESPONSE:
            row[f"excess_helium_{percent}"] = round(excess * RESPONSE[dataset.filter], 4)
    if known is not None and not known.grism and dataset.filter in RESPONSE:
        row |= _chances(dataset, exposures, view, relative, zodi or _USUAL_ZODI)
    return row


def _of_list(dataset: Dataset, exposures: Exposures) -> Row:
    known = bool(exposures.readouts)
    return {
        "dataset": dataset.name,
        "visit": dataset.visit,
        "filters": dataset.filter,
        "aperture": dataset.aperture,
        "ra": dataset.ra,
        "dec": dataset.dec,
        "start_time": dataset.start,
        "stop_time": dataset.stop,
        "exptime": dataset.exptime,
        "n_exposures": exposures.n if known else None,
        "samp_seqs": sorted({each.name for each in exposures.readouts}),
    }


def _of_place(dataset: Dataset, exposures: Exposures, view: View) -> Row:
    """Return the geometry columns: at the start, and extremes over the probable exposures."""
    begins, ends = exposures.starts, exposures.starts + exposures.length / DAY
    within = ((view.mjd[:, None] >= begins) & (view.mjd[:, None] <= ends)).any(1)
    within[0] = True
    place = view.place
    bright = place.limb_angle[within & place.bright_limb]
    return {
        "sun_alt_start": round(float(place.sun_alt[0]), 1),
        "sun_alt_min": round(float(place.sun_alt[within].min()), 1),
        "sun_alt_max": round(float(place.sun_alt[within].max()), 1),
        "frac_in_shadow": round(float(place.in_shadow[within].mean()), 3),
        "limb_angle_min": round(float(place.limb_angle[within].min()), 1),
        "bright_limb_min": round(float(bright.min()), 1) if bright.size else None,
    }


def _chances(dataset: Dataset, exposures: Exposures, view: View, relative: Floats, zodi: float) -> Row:
    """Return the probabilities of an exposure of the dataset to be elevated, and damaged, by helium."""
    response = RESPONSE[dataset.filter]
    with np.errstate(divide="ignore"):
        elevated = float(probability_above(ELEVATED / (response * relative)).mean())
    least = [np.inf]
    if response > 0.1:
        least = [
            least_damaging(times, view.means(start, times), zodi) / response
            for times in exposures.read_times()
            for start in exposures.starts
        ]
    damaged = float(probability_above(np.array(least)).mean())
    return {"prob_elevated": round(elevated, 3), "prob_damaged": round(damaged, 3)}


def rows(datasets: Sequence[Dataset], elements: Elements) -> Iterator[Row]:
    """Yield the rows of `forecast`."""
    ages = elements.age(np.array([each.start for each in datasets]))
    for dataset, view, age in zip(datasets, views(datasets, elements), ages.tolist(), strict=True):
        yield forecast_row(dataset, view, age)


def listed_row(dataset: Dataset) -> Row:
    """Return the row of `datasets` of a dataset of the list."""
    return TABLES["datasets"].empty_row() | {
        "dataset": dataset.name,
        "asn_id": dataset.asn_id,
        "instrument_config": "WFC3/IR",
        "filters": dataset.filter,
        "proposal_id": dataset.proposal_id,
        "pi": dataset.pi,
        "target_name": dataset.target,
        "start_time": dataset.start,
        "stop_time": dataset.stop,
        "members": [dataset.name] if dataset.asn_id is None else [],
    }


def main(list_path: Path, elements_path: Path, out: Path = OUT) -> None:
    """Write the release."""
    datasets, elements = read_list(list_path), Elements(elements_path)
    with tempfile.TemporaryDirectory() as folder, open_catalog(Path(folder) / "catalog", mode="w") as catalog:
        catalog.append("datasets", [listed_row(each) for each in datasets])
        catalog.append("forecast", list(rows(datasets, elements)))
        for path in write_release(catalog, out, "parquet", note=_NOTE):
            print(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
