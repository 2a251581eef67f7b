"""Methods of repair on complete simulated exposures: noise, level, fluxes and cosmic rays against the truth.

Every exposure has stars and galaxies, dark, flat, bad pixels, nonlinearity, reference pixels, and cosmic rays (11 per
second on the area of a full frame). The simulator shares no code with the fits. The sky is a rise, a fall, a U, a step
or constant, 0.5 to 3 electron/s; it is measured from the reads, as for a real exposure. The limit is the Cramer-Rao
limit of photons and reads for the true sky. Blank pixels have less than 0.005 electron/s of a source.

Not simulated: persistence, residuals of the nonlinearity correction and of the flat field beyond those of the detector
model, drifts of the pointing, fields so crowded that no pixel is blank. Real noise is larger where these matter.

Usage: python study/methods.py [number of sequences [FOLDER]]; it writes study-methods.md and its figure into FOLDER
(docs).
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

import wfc3tvb
from wfc3tvb.simulate.detector import Detector, make_detector
from wfc3tvb.simulate.expose import Light, expose
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.plan import ExposurePlan, Target
from wfc3tvb.simulate.reference_files import reference_names, write_references
from wfc3tvb.simulate.scene import make_sources, scene_rate
from wfc3tvb.simulate.sky_models import Tabulated
from wfc3tvb.simulate.timing import sample_times
from wfc3tvb.simulate.visit import raw_file

Floats = NDArray[np.float64]
ROOT = Path(__file__).parents[1]
SIZE = 256
FIELD = Target("FIELD-S", 189.22, 62.24, 99099, 123.4)
SEQUENCES = ("STEP200", "SPARS100", "SPARS50", "SPARS25", "STEP100", "SPARS200", "STEP50", "STEP25", "STEP400",
             "SPARS10", "RAPID")  # fmt: skip
#: Sky of an interval [electron/s] from its middle, as a part of the exposure.
SKIES = {
    "rise": lambda x: 0.5 + 2.5 * np.clip((x - 0.4) / 0.6, 0, 1),
    "fall": lambda x: 0.5 + 2.5 * np.clip((0.6 - x) / 0.6, 0, 1),
    "U": lambda x: 0.5 + 2.0 * (2 * x - 1) ** 2,
    "step": lambda x: np.where(x > 0.5, 1.5, 0.5),
    "constant": lambda x: np.full_like(x, 0.7),
}
METHODS = ("pipeline", "omit", "flatten", "optimal")
#: Noise of a single read [electron] and dark rate [electron/s] of the simulated detector.
READ_NOISE, DARK = 14.6, 0.048
BLANK, BRIGHT = 0.005, 3.0


@dataclass(frozen=True)
class Result:
    """Result of a method on one exposure, relative to the truth.

    Attributes
    ----------
    noise : float
        Noise of blank pixels over the limit.
    level : float
        Level minus the true mean sky, over the whole exposure [electron]. Counts are whole numbers of 2.4 electrons,
        and the reference pixels leave an error of about one electron in a read of a frame of this size.
    flux : float
        Light of bright unsaturated pixels over the true one.
    left : float
        Fraction of the hit blank pixels that are more than 5 standard deviations off in the image.
    false : float or None
        Fraction of the blank pixels not hit from which the fit left out a read; None without a ramp fit.
    chi2 : float or None
        Median of chi^2 per degree of freedom over that of its distribution.
    """

    noise: float
    level: float
    flux: float
    left: float
    false: float | None
    chi2: float | None


def limit(times: Floats, sky: Floats) -> float:
    """Return the Cramer-Rao limit of a blank pixel [electron/s], by a plain matrix inverse."""
    lengths, n = np.diff(times, prepend=0.0), len(times)
    to_differences = np.eye(n, n + 1, 1) - np.eye(n, n + 1)
    covariance = np.diag((sky + DARK) * lengths) + READ_NOISE**2 * to_differences @ to_differences.T
    return float(1 / np.sqrt(lengths @ np.linalg.inv(covariance) @ lengths))


def plan_of(k: int, sequence: str, shape: str) -> ExposurePlan:
    """Return the plan of an exposure of 16 reads."""
    times = np.asarray(sample_times(sequence, 16), float)
    sky = SKIES[shape]((times[1:] + times[:-1]) / 2 / times[-1])
    cumulative = np.cumsum(sky * np.diff(times)) / times[1:]
    return ExposurePlan(f"i{k:07d}q", 56298.785, FIELD, Tabulated(tuple(cumulative.tolist())), samp_seq=sequence)


def results(plan: ExposurePlan, detector: Detector, folder: Path) -> dict[str, Result]:
    """Simulate an exposure and repair it by every method."""
    frame, rng = detector.frame, np.random.default_rng([3, int(plan.rootname[1:8])])
    scene = scene_rate(make_sources(7, (FIELD.ra, FIELD.dec)), plan.pointing, frame, plan.filter)
    sky, times = plan.sky(frame.size), plan.times(frame.size)
    reads = expose(detector, Light(scene, sky, plan.filter), times, rng)
    raw = folder / f"{plan.rootname}_raw.fits"
    raw_file(plan, frame, reads, reference_names(detector.seed, frame, plan.filter, plan.samp_seq)).writeto(raw)
    lengths = np.diff(times)
    truth = scene[frame.inner], reads.hit[frame.inner], float(np.sum(sky.uniform * lengths) / times[-1])
    best = limit(times[1:], sky.uniform)
    found = {name: judge(path, truth, best, float(times[-1])) for name, path in images(raw, folder)}
    for path in folder.glob(f"*{plan.rootname}*"):
        path.unlink()
    return found


def images(raw: Path, folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the images of all methods."""
    references = folder / "references"
    (made,) = wfc3tvb.calibrate(raw, crcorr="perform", iref=references, write_ima=False)
    yield "pipeline", made.flt
    for method in METHODS[1:]:
        yield method, wfc3tvb.flatten_ramp(raw, method=method, iref=references, overwrite=True, write_ima=False).flt


def judge(path: Path, truth: tuple[Floats, NDArray[np.bool_], float], best: float, seconds: float) -> Result:
    """Compare an image with the truth: the light of sources, the hit pixels, and the mean sky."""
    scene, hit, level = truth
    with fits.open(path) as hdus:
        image, dq = (np.asarray(hdus[name, 1].data) for name in ("SCI", "DQ"))
        chi2 = np.asarray(hdus["CHI2", 1].data) if ("CHI2", 1) in hdus else None
        samp = np.asarray(hdus["SAMP", 1].data) if hdus[0].header["CRCORR"] == "COMPLETE" else None
    good = (dq & (4 | 16 | 256 | 512)) == 0
    blank, rest = good & (scene < BLANK), image - scene
    sky = rest[blank & ~hit]
    middle = float(np.median(sky))
    noise = 1.4826 * float(np.median(np.abs(sky - middle)))
    bright = good & ~hit & (scene > BRIGHT)
    whole = np.ones(image.shape, bool) if samp is None else samp == samp.max()
    freedom = 0 if samp is None else int(samp.max()) - 2
    return Result(
        noise / best,
        (float(np.mean(sky[np.abs(sky - middle) < 3 * noise])) - level) * seconds,
        float((image[bright] - middle).sum() / scene[bright].sum()),
        float(np.mean(np.abs(rest[blank & hit] - middle) > 5 * best)),
        float(np.mean(~whole[blank & ~hit])) if samp is not None else None,
        None if chi2 is None else float(np.median(chi2[blank & whole])) / (1 - 2 / (9 * freedom)) ** 3,
    )


def report(found: dict[tuple[str, str], dict[str, Result]]) -> str:
    """Return the study as Markdown."""
    text = (__doc__ or "").split("Usage")[0].strip()
    best = [each["optimal"].noise for each in found.values()]
    lines = [
        f"# Study of the methods: {len(found)} exposures", "", text, "",
        f"Noise of optimal over the limit: {np.mean(best):.3f} on average, {max(best):.3f} at most.", "",
        "![Noise over the limit, by method and sky](study-methods.png)", "", "## Noise over the limit", "",
        "Mean over the sequences, and over the skies. omit and flatten weight all reads alike.", "",
        *table("sky", {s: {m: average(found, m, "noise", shape=s) for m in METHODS} for s in SKIES}, "{:.2f}"), "",
        *table("sequence", {q: {m: average(found, m, "noise", sequence=q) for m in METHODS}
                            for q in dict.fromkeys(sequence for sequence, _ in found)}, "{:.2f}"), "",
        "## Level, fluxes, cosmic rays", "",
        "Median and largest error of the level over the exposure [electron]; median error of the light of all bright "
        "pixels of an exposure (its own noise is of this size); fraction of the hit blank pixels that are still off by "
        "5 standard deviations; fraction of the others with a read left out; chi^2.", "",
        "| method | level, median | largest | flux | hits left | false hits | chi^2 |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for method in METHODS:
        each = [results[method] for results in found.values()]
        levels, flux = [abs(r.level) for r in each], np.median([abs(r.flux - 1) for r in each])
        false = [r.false for r in each if r.false is not None]
        chi2 = [r.chi2 for r in each if r.chi2 is not None]
        cells = [
            method, f"{np.median(levels):.1f}", f"{max(levels):.1f}", f"{100 * flux:.2f} %",
            f"{100 * np.mean([r.left for r in each]):.1f} %", f"{100 * np.mean(false):.2f} %" if false else "-",
            f"{min(chi2):.3f} to {max(chi2):.3f}" if chi2 else "-",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", *every_exposure(found), ""])


def every_exposure(found: dict[tuple[str, str], dict[str, Result]]) -> list[str]:
    """Return the numbers of every method for each sequence and sky."""
    lines = [
        "## Every exposure", "",
        "| sequence | sky | method | noise | level [electron] | flux | hits left | false hits | chi^2 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for (sequence, shape), each in found.items():
        for method, result in each.items():
            false, chi2 = (form(value) for form, value in ((percent, result.false), (plain, result.chi2)))
            lines.append(
                f"| {sequence} | {shape} | {method} | {result.noise:.3f} | {result.level:+.1f} | {result.flux:.3f} | "
                f"{percent(result.left)} | {false} | {chi2} |"
            )
    return lines


def percent(value: float | None) -> str:
    """Return a fraction as per cent, or a dash."""
    return "-" if value is None else f"{100 * value:.2f} %"


def plain(value: float | None) -> str:
    """Return a number, or a dash."""
    return "-" if value is None else f"{value:.3f}"


def average(
    found: dict[tuple[str, str], dict[str, Result]], method: str, name: str, *, sequence: str = "", shape: str = ""
) -> float:
    """Return the mean of a number of a method, over the exposures of a sequence or with a shape of the sky."""
    values = [getattr(each[method], name) for (q, s), each in found.items() if sequence in ("", q) and shape in ("", s)]
    return float(np.mean(values))


def table(heading: str, rows: dict[str, dict[str, float]], form: str) -> list[str]:
    """Return a Markdown table with a column for each method."""
    lines = [f"| {heading} | {' | '.join(METHODS)} |", "|---" * (len(METHODS) + 1) + "|"]
    return lines + [f"| {name} | {' | '.join(form.format(row[m]) for m in METHODS)} |" for name, row in rows.items()]


def figure(found: dict[tuple[str, str], dict[str, Result]], path: Path) -> None:
    """Draw the noise over the limit of every exposure, by method and shape of the sky."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(7.5, 3.6), layout="constrained")
    axes = drawn.add_subplot()
    for n, method in enumerate(METHODS):
        x = [list(SKIES).index(shape) + 0.17 * (n - 1.5) for _, shape in found]
        y = [each[method].noise for each in found.values()]
        axes.plot(x, y, "os^D"[n], ms=5, alpha=0.7, label=method)
    axes.axhline(1, color="0.5", lw=1)
    axes.set(yscale="log", ylabel="noise / limit", xticks=range(len(SKIES)), xticklabels=list(SKIES))
    axes.set_yticks([1, 1.2, 1.5, 2, 3, 5], ["1", "1.2", "1.5", "2", "3", "5"])
    axes.minorticks_off()
    axes.legend(ncols=len(METHODS), frameon=False, loc="upper right")
    drawn.savefig(path, dpi=110, metadata={"Software": None})


def main() -> None:
    """Run the study."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else len(SEQUENCES)
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "docs"
    cases = [(sequence, shape) for sequence in SEQUENCES[:n] for shape in SKIES]
    plans = [plan_of(k, *case) for k, case in enumerate(cases)]
    detector = make_detector(2013, Frame(SIZE))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_references(folder / "references", detector, plans)
        found = {case: results(plan, detector, folder) for case, plan in zip(cases, plans, strict=True)}
    text = report(found)
    (out / "study-methods.md").write_text(text)
    figure(found, out / "study-methods.png")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
