"""Presets: visits that can be simulated by name.

The visit IBOHBF040 is described by two STScI notebooks (WFC3Library: calwf3_recal_tvb and TVB_flattenramp, by
J. Mack and H. Khandrika): start times, POSTARGs, and the median of every read. The medians of ibohbfb9q are printed
there, the others were read off its figures; good to 0.01 e-/s. The other visits are invented.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from wfc3tvb.dates import DAY
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.simulate.expose import Trail
from wfc3tvb.simulate.frame import FULL
from wfc3tvb.simulate.plan import ExposurePlan, Preset, Target, VisitPlan
from wfc3tvb.simulate.sky_models import Constant, Helium, Scattered, SkyModel, Step, Tabulated

_GOODS_NORTH = Target("GOODS-N", 189.22, 62.24, 12442, 123.4)
_JAN_6 = 56298.0

# Rootname, start on 2013-01-06, POSTARG1, POSTARG2; cumulative rate at reads 1 to 15 [electron/s].
_IBOHBF040 = """
ibohbfb7q 18:23:01 -0.237 -0.212
.556 .539 .517 .500 .499 .498 .494 .486 .478 .478 .478 .475 .472 .469 .467
ibohbfb9q 18:50:42 0.305 -0.030
.42 .48 .47 .49 .46 .47 .47 .49 .675 .976 1.254 1.397 1.443 1.458 1.503
ibohbfbdq 19:18:23 0.102 0.273
2.251 2.294 2.294 2.294 2.296 2.340 2.400 2.459 2.474 2.564 2.758 2.862 2.892 2.952 2.982
ibohbfbgq 19:48:08 -0.440 0.091
2.081 2.112 2.112 2.081 2.080 2.011 1.862 1.457 .989 .830 .745 .691 .660 .628 .606
ibohbfbkq 20:15:49 0.237 0.212
.526 .516 .490 .490 .479 .477 .474 .464 .464 .464 .474 .542 .666 .848 1.036
ibohbfbpq 20:43:30 0.779 0.394
2.350 2.388 2.388 2.376 2.376 2.380 2.362 2.350 2.261 2.161 2.148 2.198 2.287 2.388 2.514
"""


#: Fields of the invented program: name, position and angle of the V3 axis [deg]. Each stays 20 deg or more above the
#: Earth's limb during its visit, and the zodiacal light of its direction and date is that of the models below.
_FIELDS = (
    ("A", 175.0, 60.0, 70.0),
    ("B", 210.0, 15.0, 30.0),
    ("C", 285.0, 55.0, 255.0),
    ("D", 95.0, 60.0, 190.0),
    ("E", 60.0, -50.0, 15.0),
    ("F", 230.0, 60.0, 123.4),
    ("G", 100.0, 55.0, 330.0),
)


def preset(name: str) -> Preset:
    """Return a preset.

    Raises
    ------
    BadArgumentError
        If the name is unknown; the message lists the presets.
    """
    known = presets()
    if name not in known:
        raise BadArgumentError(f"unknown preset {name!r}; choose one of {', '.join(known)}")
    return known[name]


@cache
def presets() -> dict[str, Preset]:
    """Return all presets by name."""
    visit = _ibohbf040()
    made = (
        Preset("demo", "visit IBOHBF040 on a small frame", (visit,)),
        Preset("ibohbf040", "visit IBOHBF040: six dithered F105W exposures, three hit by helium", (visit,), FULL),
        Preset("quiet", "four exposures in the Earth's shadow", (_quiet(),)),
        Preset("scattered", "four exposures, light scattered from the bright Earth in two", (_scattered(),)),
        Preset("trail", "three exposures, a satellite crossing the second", (_trail(),)),
        Preset("program", "seven visits in F105W, F110W and F160W, 2010 to 2014", _program(), 128),
    )
    return {each.name: each for each in made}


def _ibohbf040() -> VisitPlan:
    lines = _IBOHBF040.strip().splitlines()
    exposures = []
    for head, rates in zip(lines[::2], lines[1::2], strict=True):
        rootname, clock, postarg1, postarg2 = head.split()
        model = Tabulated(tuple(map(float, rates.split())))
        postarg = float(postarg1), float(postarg2)
        exposures.append(ExposurePlan(rootname, _at(_JAN_6, clock), _GOODS_NORTH, model, postarg=postarg))
    return VisitPlan("ibohbf040", tuple(exposures))


def _at(day: float, clock: str) -> float:
    """Return the MJD of a time of day, given as hours:minutes:seconds."""
    hours, minutes, seconds = map(int, clock.split(":"))
    return day + (hours * 3600 + minutes * 60 + seconds) / DAY


def _association(visit: str, first: ExposurePlan, models: tuple[SkyModel, ...], delays: tuple[float, ...]) -> VisitPlan:
    """Return an association of dithered exposures like `first`.

    Parameters
    ----------
    visit : str
        First six characters of the names.
    first : ExposurePlan
        Its `start` is the moment that `delays` count from; `rootname` is not used.
    models : tuple of SkyModel
        Sky of each exposure.
    delays : tuple of float
        Start of each exposure [s].
    """
    offsets = ((0.0, 0.0), (0.542, 0.182), (0.339, 0.485), (-0.203, 0.303))
    exposures = tuple(
        replace(
            first,
            rootname=f"{visit}a{2 * i + 1}q",
            start=first.start + delays[i] / DAY,
            model=model,
            postarg=offsets[i],
        )
        for i, model in enumerate(models)
    )
    return VisitPlan(f"{visit}010", exposures)


def _quiet() -> VisitPlan:
    """Two exposures in each of two passes through the shadow; sunset at MJD 55702.65683."""
    model = Helium(0.71, 2.0)
    first = ExposurePlan(
        "", 55702.65683, Target("FIELD-Q", 205.0, 15.0, 99001, 75.0), model, samp_seq="SPARS50", nsamp=14
    )
    return _association("ibsq01", first, (model,) * 4, (60.0, 760.0, 5815.0, 6515.0))


def _scattered() -> VisitPlan:
    """Two exposures that begin 24 deg from the bright limb, minutes before sunset at MJD 56177.74225, two after it."""
    dark, light = Helium(0.55, 0.4), Step(0.7, -0.7, 230.0, 40.0)
    first = ExposurePlan(
        "", 56177.74225, Target("FIELD-S", 240.0, 60.0, 99002, 310.0), dark, samp_seq="SPARS50", nsamp=14
    )
    return _association(
        "ibss01", first, (Scattered(dark, light), dark, Scattered(dark, light), dark), (-350.0, 400.0, 5399.0, 6149.0)
    )


def _trail() -> VisitPlan:
    """Three exposures in the shadow (sunset at MJD 56583.24549), a satellite in the sixth read of the second."""
    model = Helium(0.73, 2.0)
    first = ExposurePlan(
        "", 56583.24549, Target("FIELD-T", 0.0, -25.0, 99003, 200.0), model, samp_seq="SPARS50", nsamp=13
    )
    visit = _association("ibst01", first, (model,) * 3, (60.0, 720.0, 1380.0))
    crossed = replace(visit.exposures[1], trail=Trail(6))
    return replace(visit, exposures=(visit.exposures[0], crossed, visit.exposures[2]))


def _program() -> tuple[VisitPlan, ...]:
    """Seven visits of five years; the start that delays count from is a sunrise or a sunset at the telescope."""
    fields = [Target(f"FIELD-{name}", ra, dec, 99010 + i, pa) for i, (name, ra, dec, pa) in enumerate(_FIELDS)]
    a, b, c, d, e, f, g = fields
    rise = ExposurePlan("", 55525.325, a, Helium(0.53, 1.8), samp_seq="SPARS100")
    shadow = ExposurePlan("", 55702.65683, b, Helium(1.12, 1.5), "F110W", "SPARS50")
    fall = ExposurePlan("", 56177.74225, c, Helium(0.43, 1.2), samp_seq="STEP100")
    control = ExposurePlan("", 56583.20324, d, Constant(0.58), "F160W", "SPARS100", 13)
    both = ExposurePlan("ibpa05a1q", 56298.2249, e, Helium(0.46, 2.0), samp_seq="SPARS200")
    day = ExposurePlan("", 56836.91447, f, Helium(0.48, 0.9), samp_seq="SPARS200", nsamp=10)
    wide = ExposurePlan("", 56583.26968, g, Helium(1.05, 2.2), "F110W", "SPARS100")
    return (
        _association("ibpa01", rise, (rise.model,) * 3, (-900.0, 560.0, 4256.0)),
        _association("ibpa02", shadow, (shadow.model,) * 2, (60.0, 800.0)),
        _association("ibpa03", fall, (fall.model,) * 3, (-500.0, 450.0, 1510.0)),
        _association("ibpa04", control, (control.model,) * 3, (100.0, 1250.0, 3700.0)),
        VisitPlan(None, (both,)),
        _association("ibpa06", day, (day.model,) * 2, (500.0, 2810.0)),
        _association("ibpa07", wide, (wide.model,) * 3, (-800.0, 700.0, 4900.0)),
    )
