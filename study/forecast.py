"""The forecast of helium against what is known: Sun altitudes of real headers, published percentiles, real exposures.

Usage: python study/forecast.py LIST ELEMENTS [number of draws [FOLDER]]; it writes study-forecast.md and its figure
into FOLDER (docs). LIST and ELEMENTS are those of study/forecast_table.py.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from curves import reliability, reliability_figure
from forecast_table import (
    OUT,
    Brightness,
    Row,
    View,
    damaged,
    exposures_of,
    is_scored,
    least_damaging,
    random_places,
    views,
)
from listing import Dataset, read_list
from numpy.typing import NDArray
from pyarrow.parquet import read_table
from scipy.optimize import least_squares
from scipy.special import ndtr
from two_line_elements import Elements

from wfc3tvb.curve.geometry import view_geometry
from wfc3tvb.dates import DAY
from wfc3tvb.score import airglow
from wfc3tvb.score.airglow import MEDIAN, SCATTER, probability_above, relative_brightness
from wfc3tvb.score.zodiacal import ZODI_ERROR, zodiacal_level

Floats = NDArray[np.float64]
ROOT = Path(__file__).parents[1]
TRUTH = ROOT / "tests/data/truth"
#: Brammer's percentiles of the helium excess of the archive's F105W exposures until 2014 [electron/s].
_FRACTIONS, _EXCESSES = np.array([0.5, 0.75, 0.95]), np.array([0.1, 0.5, 1.5])
#: Shortest exposure of the distribution [s]: shorter ones are acquisitions and standard stars.
_LEAST = 100.0
#: Zodiacal light of visit IBOHBF040 [electron/s].
_ZODI = 0.465
#: Datasets of which the sky of an exposure is published.
_SEEN = {
    "ib5x15020": "ib5x15vrq: constant, 0.50 electron/s (Borlaff et al. 2019, figure 7)",
    "ibp338020": "ibp338xzq: 0.5, then 1.3 electron/s after 400 s (the same)",
}


def truth(name: str) -> list[dict[str, str]]:
    """Return the rows of a table of published values."""
    return list(csv.DictReader((TRUTH / f"{name}.csv").read_text(encoding="utf-8").splitlines()))


def sun_table(elements: Elements) -> list[str]:
    """Return the table of Sun altitudes of real headers beside those of the elements, 30 s before the exposure."""
    lines = ["| exposure | SUN_ALT of the header | elements | difference | best lag |", "|---|---|---|---|---|"]
    differences, residuals = [], []
    for row in truth("sun_alt_of_real_headers"):
        mjd = float(row["expstart"]) - np.arange(0, 180) / DAY
        found = view_geometry(elements.position(mjd), mjd, 0.0, 0.0).sun_alt
        off = found - float(row["sun_alt"])
        best = int(np.abs(off).argmin())
        differences.append(abs(off[30]))
        residuals.append(abs(off[best]))
        altitudes = f"{float(row['sun_alt']):.2f} | {found[30]:.2f} | {off[30]:+.2f}"
        lines.append(f"| {row['rootname']} | {altitudes} | {best} s |")
    summary = f"Median difference {np.median(differences):.2f} deg, largest {max(differences):.2f} deg"
    return [*lines, "", f"{summary}; at the best lag, {max(residuals):.3f} deg or less."]


def neighbours(elements: Elements, until: float = 56700.0) -> str:
    """Return a sentence on how far neighbouring sets disagree halfway between their epochs."""
    middle = (elements.epochs[1:] + elements.epochs[:-1]) / 2
    n = np.flatnonzero((middle < until) & (np.diff(elements.epochs) < 5))
    places = [elements.position(middle[n], index=n + step) for step in (0, 1)]
    median, most = np.percentile(np.linalg.norm(places[1] - places[0], axis=1), [50, 100])
    return f"Halfway between two epochs, the two sets differ by {median:.1f} km (median) and {most:.0f} km (at most)."


@dataclass(frozen=True)
class Case:
    """Exposure of a world: dataset, view in that world, start [MJD], times of the reads [s]."""

    dataset: Dataset
    world: View
    start: float
    times: Floats

    @property
    def relative(self) -> float:
        """Mean relative brightness of helium in the world."""
        return float(self.world.means(self.start, self.times[[0, -1]])[0])


def cases(
    datasets: Sequence[Dataset], elements: Elements, brightness: Brightness, rng: np.random.Generator
) -> list[Case]:
    """Return the exposures of all datasets, at random places in them, in a world with another course of helium."""
    found = []
    usual, other = views(datasets, elements), views(datasets, elements, brightness)
    for dataset, view, world in zip(datasets, usual, other, strict=True):
        exposures = exposures_of(dataset, view)
        if exposures.length >= _LEAST:
            times = list(exposures.read_times())
            places = random_places(exposures, view, rng)
            found += [Case(dataset, world, start, times[rng.integers(len(times))]) for start in places]
    return found


def probable(datasets: Sequence[Dataset], elements: Elements) -> Floats:
    """Return the mean relative brightness of the exposures of 100 s and more at their probable places."""
    found = []
    for dataset, view in zip(datasets, views(datasets, elements), strict=True):
        exposures = exposures_of(dataset, view)
        if exposures.length >= _LEAST:
            found += [view.means(start, np.array([0, exposures.length]))[0] for start in exposures.starts]
    return np.array(found)


def course_fit() -> str:
    """Fit the course of helium to the long reads of IBOHBF040, and return its numbers as text."""
    rows = truth("ibohbf_reads")
    alt, zenith, rate, begin, end = (
        np.array([float(row[name]) for row in rows])
        for name in ("sun_alt_deg", "los_zenith_deg", "diff_rate_e_s", "t_start_s", "t_end_s")
    )
    names = np.array([row["exposure"] for row in rows])
    rises = np.concatenate([np.gradient(alt[names == name]) > 0 for name in dict.fromkeys(names)])
    long, helium = end - begin >= 25, rate - _ZODI
    error = np.hypot(0.05, 0.15 * helium)

    def off(p: Floats) -> Floats:
        half, width = np.where(rises, p[1], p[3]), np.where(rises, p[2], p[4])
        model = p[0] * airglow.path_length(zenith) / (1 + np.exp((half - alt) / width))
        return np.asarray(((model - helium) / error)[long])

    found = least_squares(off, [1.0, 27.0, 5.0, 8.0, 3.0])
    _, dawn, dawn_width, dusk, dusk_width = found.x
    text = f"half at {dawn:.1f} deg, width {dawn_width:.1f} deg at dawn; {dusk:.1f} and {dusk_width:.1f} deg at dusk"
    return f"{text}; chi^2 is {2 * found.cost:.0f} for {long.sum()} reads"


def fit(relative: Floats) -> tuple[float, float, Floats]:
    """Return median and scatter that give the published percentiles, and the fractions that they then have."""

    def fractions(p: Floats) -> Floats:
        above = np.log(_EXCESSES)[:, None] - p[0] - np.log(np.maximum(relative, 1e-9))
        return np.asarray(ndtr(above / np.exp(p[1])).mean(1))

    found = least_squares(lambda p: fractions(p) - _FRACTIONS, [-1.0, -0.5])
    return float(np.exp(found.x[0])), float(np.exp(found.x[1])), fractions(found.x)


def course(
    sun_alt: Floats, los_zenith: Floats, sun_hour_angle: Floats, *, dawn: float, dusk: float, flat: bool = False
) -> Floats:
    """Return the relative brightness of another world: other altitudes of the Sun, or no dependence on the path."""
    half = np.where(sun_hour_angle < 0, dawn, dusk)
    rise = 1 / (1 + np.exp(np.clip((half - sun_alt) / 5.0, -50, 50)))
    return np.asarray(rise * (1 if flat else airglow.path_length(los_zenith)))


PAGE = """# Forecast study: {n} exposures

What the forecast of helium (`catalogs/wfc3ir-2009-2014`, table `forecast`) is worth, made by `python
study/forecast.py`. It is a forecast from geometry and published distributions, not a measurement: of no exposure in
it were the pixels read.

## How it is made

1. **Where the telescope was.** Two-line elements through SGP4, the set nearest in time, turned to the frame of J2000;
   Sun, limb and shadow as for measured exposures. The list has no times of the exposures of an association: they are
   placed evenly where the target is visible (15 deg from the sunlit limb, 7 deg from the dark one) between start and
   stop. Number and sequence of the exposures follow from the exposure time; where several sequences agree with it,
   the chances are averaged over them.
2. **The course of helium.** Rises with the Sun, at dawn (half at 32 deg above the limb) later than at dusk (11 deg),
   and grows with the length of the line of sight within a shell up to 1000 km. The numbers are fitted to the long reads
   of IBOHBF040, one visit, with an error of 15 % and 0.05 electron/s: {course}.
3. **How bright.** The same geometry is brighter on some days than on others: a lognormal factor, the same for all
   exposures of a dataset. Its median and scatter reproduce the published percentiles of the F105W exposures of the
   archive until 2014, the exposures of this very list. Season, latitude and solar cycle are in the scatter: there are
   no published numbers to correct for them.
4. **Damage.** The least brightness from which calwf3's ramp fit makes the exposure moderate or severe, by the same
   prediction that scores measured exposures (docs/score.md). `prob_damaged` is the chance that the day was brighter.

## Where the Sun was

Header SUN_ALT is that at the planned start, about 30 s before the exposure. Real WFC3 headers:

{sun}

{neighbours} 12 km are 0.1 deg. Start times in the list are rounded to seconds (0.06 deg).

## The distribution

Published: 50, 75 and 95 % of the exposures have less than 0.1, 0.5 and 1.5 electron/s. Two numbers are
fitted to these three, for exposures of 100 s and more:
{fit}. The package uses {used}, for which
{fractions} of these exposures have less than that.

## Real exposures

IBOHBF040, at the true starts of its exposures (chances and classes are those of single exposures):

{visit}

The course of bdq and bpq, bright and in sunlight throughout, changed for other reasons than the Sun's altitude, of
which the forecast knows nothing. One exposure of each of two datasets of the Hubble Ultra Deep Field is published:

{seen}

These eight are all that could be found, too few to calibrate with. Once a survey has measured exposures, `wfc3tvb
query forecast_check` says how often the stated chances came true, and the report draws measured against forecast.

## Reliability

Exposures drawn at random places within their datasets at which the target is visible, with an error of 0.1 electron/s
in the zodiacal light and 15 % of scatter in the course, in worlds where helium follows other rules than the forecast
assumes, but the same published percentiles. Over all: Brier score {brier}.

![How often stated chances came true](study-forecast.png)

{reliability}

What is stated of single exposures comes true about as often. **Of exposures in associations, high chances are too
high**, since their times are not in the list: above 0.2 they come true 0.6 times as often as stated. As an order of
what to fetch first they serve.
"""

WORLDS = {
    "as assumed": relative_brightness,
    "dawn and dusk alike (half at 20 deg)": partial(course, dawn=20.0, dusk=20.0),
    "no dependence on the line of sight": partial(course, dawn=32.0, dusk=11.3, flat=True),
}


def shipped() -> dict[str, Row]:
    """Return the rows of the table that comes with the package, by dataset."""
    return {row["dataset"]: row for row in read_table(OUT / "forecast.parquet").to_pylist()}


def outcomes(found: Sequence[Case], stated: dict[str, Row], n: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw exposures of a world: the stated probabilities, whether calwf3 damages them, and which are single ones.

    The brightness follows the published percentiles with the geometry of this world; the zodiacal light has the error
    of its model, and the course 15 % of scatter, as in the fitted visit.
    """
    median, scatter, _ = fit(np.array([case.relative for case in found]))
    chosen = [found[k] for k in rng.integers(len(found), size=n)]
    came = []
    for case in chosen:
        amplitude = median * np.exp(scatter * rng.standard_normal())
        shape = case.world.means(case.start, case.times) * np.exp(0.15 * rng.standard_normal(case.times.size - 1))
        level = zodiacal_level(case.dataset.filter, case.dataset.ra, case.dataset.dec, case.dataset.start) or 0.6
        zodi = max(level + ZODI_ERROR * rng.standard_normal(), 0.2)
        came.append(is_scored(case.times) and damaged(case.times, zodi + amplitude * shape))
    single = np.array([case.dataset.asn_id is None for case in chosen])
    return np.array([stated[case.dataset.name]["prob_damaged"] for case in chosen]), np.array(came, float), single


def seen_table(stated: dict[str, Row]) -> list[str]:
    """Return the forecast of datasets whose sky is published."""
    lines = ["| dataset | excess 50 / 75 / 95 % [electron/s] | chance of damage | seen |", "|---|---|---|---|"]
    for name, what in _SEEN.items():
        row = stated[name]
        excess = " / ".join(f"{row[f'excess_helium_{p}']:.2f}" for p in (50, 75, 95))
        lines.append(f"| {name} | {excess} | {row['prob_damaged']:.2f} | {what} |")
    return lines


def visit_table(dataset: Dataset, view: View) -> list[str]:
    """Return the forecast of the six exposures of IBOHBF040 at their true starts, beside what was measured."""
    rows = truth("ibohbf_reads")
    begins = {"b7q": 0, "b9q": 1661, "bdq": 3322, "bgq": 5107, "bkq": 6768, "bpq": 8429}
    classes = dict(zip(begins, ("none", "severe", "moderate", "moderate", "severe", "moderate"), strict=True))
    lines = ["| exposure | excess 50 / 95 % | measured | chance of damage | measured class |", "|---|---|---|---|---|"]
    for name, seconds in begins.items():
        reads = [row for row in rows if row["exposure"].endswith(name)]
        times = np.array([0.0] + [float(row["t_end_s"]) for row in reads])
        rate = np.array([float(row["diff_rate_e_s"]) for row in reads])
        start = dataset.start + seconds / DAY
        relative = view.means(start, times[[0, -1]])
        excess = [airglow.excess_percentile(relative, p) for p in (50, 95)]
        chance = float(probability_above(np.array([least_damaging(times, view.means(start, times), _ZODI)]))[0])
        mean = float(np.average(rate - _ZODI, weights=np.diff(times)))
        lines.append(f"| {name} | {excess[0]:.2f} / {excess[1]:.2f} | {mean:.2f} | {chance:.2f} | {classes[name]} |")
    return lines


def main(list_path: str, elements_path: str, n: str = "1500", folder: str = "docs") -> None:
    """Write the page and its figure."""
    datasets, elements = read_list(Path(list_path)), Elements(Path(elements_path))
    lit = [each for each in datasets if each.filter == "F105W"]
    out, table, every = Path(folder), shipped(), []
    for k, (name, brightness) in enumerate(WORLDS.items()):
        rng = np.random.default_rng([20140103, k])
        here = outcomes(cases(lit, elements, brightness, rng), table, max(int(n) // len(WORLDS), 1), rng)
        every.append((name, *here))
    stated, came, single = (np.concatenate([world[i] for world in every]) for i in (1, 2, 3))
    page = [f"- {name}: Brier score {np.mean((a - b) ** 2):.3f}" for name, a, b, _ in every]
    for title, part in (("Single exposures", single), ("Exposures of associations", ~single)):
        page += ["", f"### {title}", "", *reliability(stated[part], came[part])]
    text = PAGE
    alike = probable(lit, elements)
    visit = next(each for each in lit if each.name == "ibohbf040")
    parts = {
        "n": str(stated.size),
        "sun": "\n".join(sun_table(elements)),
        "course": course_fit(),
        "neighbours": neighbours(elements),
        "fit": "median {:.2f} electron/s and scatter {:.2f}".format(*fit(alike)[:2]),
        "used": f"{MEDIAN} and {SCATTER}",
        "fractions": ", ".join(f"{100 * each:.1f} %" for each in _used_fractions(alike)),
        "visit": "\n".join(visit_table(visit, next(views([visit], elements)))),
        "seen": "\n".join(seen_table(table)),
        "reliability": "\n".join(page),
        "brier": f"{np.mean((stated - came) ** 2):.3f}",
    }
    for name, part in parts.items():
        text = text.replace(f"{{{name}}}", part)
    (out / "study-forecast.md").write_text(text, encoding="utf-8")
    reliability_figure(stated, came, out / "study-forecast.png", "chance of damage")


def _used_fractions(relative: Floats) -> Floats:
    """Return the fractions of exposures below the published excesses, with the numbers of the package."""
    logs = np.log(_EXCESSES)[:, None] - np.log(MEDIAN * np.maximum(relative, 1e-9))
    return np.asarray(ndtr(logs / SCATTER).mean(1))


if __name__ == "__main__":
    main(*sys.argv[1:])
