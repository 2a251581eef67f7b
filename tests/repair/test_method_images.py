"""Images that the methods of repair make from small ramps: rates, errors, flags and notes worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.calibration.likelihood.model import OptimalFit
from wfc3tvb.calibration.model import Amplifiers, Dark, Overscan, Rejection
from wfc3tvb.curve.scattered_light import ScatteredLight
from wfc3tvb.errors import CalibrationError, RefusedError
from wfc3tvb.fits.calibrated_reads import CalibratedReads, IntegrationReads, UnfittedRamp
from wfc3tvb.repair.methods import base, implementation, known_light, optimal
from wfc3tvb.repair.methods.base import EngineFiles, Image, sky_curve
from wfc3tvb.repair.methods.known_light import KnownLight
from wfc3tvb.repair.methods.optimal import Detector, anchor, blank_pixels, flags_of, read_detector
from wfc3tvb.repair.model import Member

Array = NDArray[Any]
NAME = "ibohbfbkq"
GAIN = 2.5
TIMES = np.array([3.0, 103.0, 203.0, 303.0, 403.0, 503.0])
LENGTHS = np.diff(TIMES, prepend=0.0)
#: Sky in each interval [electron/s].
SKY = np.array([0.5, 0.5, 0.5, 0.5, 1.5, 2.0])
CUMULATIVE = np.cumsum(SKY * LENGTHS) / TIMES
SHAPE = 12, 12


def references(folder: Path, names: dict[str, str]) -> Any:
    return SimpleNamespace(folder=folder, names=names)


Make = Callable[[UnfittedRamp | IntegrationReads], EngineFiles]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Make:
    """Return files of the engine that have these reads, and no CRREJTAB."""

    def make(given: UnfittedRamp | IntegrationReads) -> EngineFiles:
        reads = SimpleNamespace(ramp=lambda: given, integration=lambda: given)
        monkeypatch.setattr(base, "read_calibrated", lambda path: reads)
        return EngineFiles(tmp_path / "ima.fits", tmp_path / "flt.fits", references(tmp_path, {}))

    return make


def member(method: str, **given: Any) -> Member:
    known = {"times": tuple(TIMES), "cumulative": tuple(CUMULATIVE)}
    return Member(NAME, method, "", **(known | given))


def ramp(sources: list[float], **changes: Any) -> UnfittedRamp:
    """Return a ramp of one row of pixels without noise: each has the sky and a source [electron/s]."""
    times = np.concatenate([[0.0], TIMES])
    electrons = np.concatenate([[0.0], CUMULATIVE * TIMES])[:, None] + np.outer(times, sources)
    counts = (electrons / GAIN).astype(np.float32)[:, None, :]
    error = np.sqrt(electrons / GAIN**2 + 64).astype(np.float32)[:, None, :]
    return UnfittedRamp(counts, error, np.zeros(counts.shape, np.int16), times, GAIN)


def calibrated(given: UnfittedRamp) -> CalibratedReads:
    """Return a ramp as the reads that the engine hands over, in electron/s."""
    factors = np.divide(GAIN, given.times, out=np.zeros_like(given.times), where=given.times > 0)[:, None, None]
    rate, error = ((each * factors).astype(np.float32) for each in (given.counts, given.error))
    header = fits.Header({f"ATODGN{amplifier}": GAIN for amplifier in "ABCD"})
    return CalibratedReads(rate, error, given.dq, given.times, (11, 14), (5, 5), header)


def image_of(method: str, files: EngineFiles, **given: Any) -> Image:
    step = implementation(method).after_engine(recover=True)
    assert step is not None
    return step(files, member(method, **given))


# --- calwf3's fit of changed ramps ---------------------------------------------------------------------------------


def test_a_flattened_ramp_is_fitted_with_all_its_reads(made: Make) -> None:
    image = image_of("flatten", made(ramp([0.0, 7.0, 40.0])))
    assert image.planes["SCI"][0] == pytest.approx(CUMULATIVE[-1] + np.array([0, 7, 40]), rel=1e-4)
    assert image.planes["SAMP"][0].tolist() == [7, 7, 7]
    assert image.planes["TIME"][0] == pytest.approx(503)
    assert (image.planes["DQ"] == 0).all()
    assert image.keywords == {"CRCORR": "COMPLETE"}
    assert (image.history, image.hits) == ((), None)


def test_errors_of_a_refitted_ramp_are_in_electrons(made: Make) -> None:
    """A gain twice as large gives twice the rate and the error of the same counts."""
    one = ramp([0.0, 7.0])
    other = UnfittedRamp(one.counts, one.error, one.dq, one.times, 2 * GAIN)
    cumulative = tuple(2 * CUMULATIVE)
    a, b = image_of("flatten", made(one)), image_of("flatten", made(other), cumulative=cumulative)
    assert b.planes["SCI"] == pytest.approx(2 * a.planes["SCI"], rel=1e-4)
    assert (a.planes["ERR"] > 0.02).all()
    assert (a.planes["ERR"] < 0.2).all()


def test_flatten_refuses_reads_without_a_sky(made: Make) -> None:
    with pytest.raises(RefusedError, match="flatten needs the sky of every read, and 2, 5 has none; use optimal"):
        image_of("flatten", made(ramp([0.0])), lost=(2, 5))


def test_masked_reads_leave_the_others_and_their_time(made: Make) -> None:
    """Without the intervals of reads 5 and 6 the sky is 0.5 electron/s in 303 s."""
    image = image_of("mask_reads", made(ramp([0.0, 7.0])), affected=(5, 6))
    assert image.planes["SCI"][0] == pytest.approx([0.5, 7.5], rel=1e-4)
    assert image.planes["SAMP"][0].tolist() == [5, 5]
    assert image.keywords == {"CRCORR": "COMPLETE", "EXPTIME": 303.0}
    middle = image_of("mask_reads", made(ramp([0.0, 7.0])), affected=(3, 5))
    assert middle.keywords["EXPTIME"] == 303.0
    assert implementation("mask_reads").left_out(member("mask_reads", affected=(3, 5))) == (3, 5)
    assert implementation("flatten").left_out(member("flatten", affected=(3, 5))) == ()


def test_masked_reads_keep_their_own_errors_and_flags(made: Make) -> None:
    """Read 6 is saturated in the second pixel, which does not matter where it is left out."""
    given = ramp([0.0, 7.0])
    given.dq[6, 0, 1] = 256
    assert image_of("mask_reads", made(given), affected=(5, 6)).planes["SAMP"][0].tolist() == [5, 5]
    assert image_of("mask_reads", made(given), affected=(3,)).planes["SAMP"][0].tolist() == [6, 5]


@pytest.mark.parametrize(
    ("affected", "said"),
    [((), "no affected reads to leave out; use omit"), ((1, 2, 3, 4, 5), "fewer than two reads remain; use omit")],
)
def test_mask_reads_refuses_what_it_cannot_do(made: Make, affected: tuple[int, ...], said: str) -> None:
    with pytest.raises(RefusedError, match=said):
        image_of("mask_reads", made(ramp([0.0])), affected=affected)


def test_limits_of_the_fit_are_those_of_the_exposure(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    header = fits.Header({"NSAMP": 16, "EXPTIME": 1402.9})
    monkeypatch.setattr(base, "read_calibrated", lambda path: SimpleNamespace(header=header))
    monkeypatch.setattr(base, "rejection", lambda *given: given)
    names = {"CRREJTAB": "u6a1748ri_crr.fits"}
    files = EngineFiles(tmp_path / "ima.fits", tmp_path / "flt.fits", references(tmp_path, names))
    assert files.rejection() == (tmp_path / "u6a1748ri_crr.fits", 16, 1402.9)
    other = EngineFiles(files.ima, files.flt, references(tmp_path, {}))
    assert other.rejection() == Rejection()


def test_the_step_after_the_engine() -> None:
    """The image is the method's own; pixels are recovered only on request."""
    for recover in (True, False):
        assert implementation("optimal").after_engine(recover=recover) is implementation("optimal").make_image
        assert implementation("perform").after_engine(recover=recover) is None
    assert implementation("omit").after_engine(recover=True) is implementation("omit").recover
    assert implementation("omit").after_engine(recover=False) is None


def test_curves_of_another_number_of_reads_are_refused() -> None:
    assert sky_curve(member("flatten"), TIMES).tolist() == CUMULATIVE.tolist()
    with pytest.raises(CalibrationError, match="no curve of its sky"):
        sky_curve(member("flatten", cumulative=()), TIMES)
    for n in (5, 7):
        with pytest.raises(CalibrationError, match=f"has 6 reads of this exposure, and the file has {n}"):
            sky_curve(member("flatten"), np.arange(1.0, n + 1))


# --- last minus first, with pixels that saturate late --------------------------------------------------------------


def test_pixels_that_saturate_late_have_the_rate_of_their_last_good_read(tmp_path: Path) -> None:
    """Pixel 1 saturates in read 5, pixel 2 in read 1, pixel 3 in the last; pixel 0 does not."""
    given = ramp([1.0, 100.0, 1000.0, 80.0])
    for pixel, read in ((1, 5), (2, 1), (3, 6)):
        given.dq[read:, 0, pixel] = 256 | 4
        given.counts[read:, 0, pixel] = 1.0
    files = EngineFiles(calibrated(given), tmp_path / "flt.fits", references(tmp_path, {}))
    planes = {"SCI": np.full((1, 4), 5, np.float32), "ERR": np.full((1, 4), 9, np.float32),
              "DQ": np.array([[4, 260, 260, 260]], np.int16)}  # fmt: skip
    hdus = [fits.ImageHDU(plane, name=name, ver=1) for name, plane in planes.items()]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(files.flt)
    image = image_of("omit", files)
    assert image.planes["SCI"][0] == pytest.approx([5, 100 + CUMULATIVE[-1], 5, 80 + CUMULATIVE[-1]], rel=1e-5)
    errors = [9, given.error[4, 0, 1] * GAIN / 303, 9, given.error[5, 0, 3] * GAIN / 403]
    assert image.planes["ERR"][0] == pytest.approx(errors, rel=1e-6)
    assert image.planes["DQ"][0].tolist() == [4, 4, 260, 4]
    assert image.history == ("wfc3tvb: 2 pixels saturated only at the end, from their last good read",)
    assert image.keywords == {}
    crowded = image_of("omit", files, cumulative=())
    assert crowded.planes["SCI"][0, 1] == pytest.approx(100 + CUMULATIVE[3], rel=1e-5)


# --- the likelihood fit --------------------------------------------------------------------------------------------


def reads(rate: Array, **given: Any) -> IntegrationReads:
    """Return reads without flags; the zeroth has a signal of its own."""
    plane = np.full(rate.shape[1:], 3.0, np.float32)
    made: dict[str, Any] = {
        "rate": rate.astype(np.float32), "dq": np.zeros(rate.shape, np.int16), "times": TIMES[: len(rate)],
        "zeroth_rate": plane, "zeroth_err": plane / 4, "zeroth_dq": np.zeros(plane.shape, np.int16),
        "zeroth_time": 2.5, "shape": (plane.shape[0] + 10, plane.shape[1] + 10), "ltv": (5, 5), "header": fits.Header(),
    }  # fmt: skip
    return IntegrationReads(**(made | given))


def rates(source: float | Array = 0.0, sky: Array = SKY, shape: tuple[int, int] = SHAPE) -> Array:
    """Return cumulative rates without noise [electron/s]."""
    level = np.cumsum(sky * LENGTHS) / TIMES
    return level[:, None, None] + np.broadcast_to(np.asarray(source), shape)


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> Detector:
    """Put a detector in the place of the reference files; unlike any real one, and not the same in all pixels."""
    x = np.arange(SHAPE[1], dtype=np.float32)
    flat = np.broadcast_to(1 + x / 100, SHAPE)
    one = Detector(flat, np.broadcast_to(0.1 + x / 50, SHAPE), np.broadcast_to(8 + x, SHAPE))
    monkeypatch.setattr(optimal, "read_detector", lambda *_: one)
    return one


def covariance(column: int, known: Detector, source: float = 0.0) -> Array:
    """Return the covariance of the intervals of a pixel after the flat [electron^2]: photons, and two reads each."""
    flat, dark, noise = (float(plane[0, column]) for plane in (known.flat, known.dark, known.read_noise))
    to_differences = np.eye(TIMES.size, TIMES.size + 1, 1) - np.eye(TIMES.size, TIMES.size + 1)
    photons = ((SKY + source) * flat + dark) * LENGTHS
    return (np.diag(photons) + noise**2 * to_differences @ to_differences.T) / flat**2


def test_a_likelihood_fit_has_the_error_of_its_detector(made: Make, detector: Detector) -> None:
    """1 / sqrt(L^T C^-1 L), with flat, dark and read noise of each pixel, and the level of last minus first."""
    image = image_of("optimal", made(reads(rates())))
    assert image.planes["SCI"] == pytest.approx(np.full(SHAPE, CUMULATIVE[-1]), rel=1e-5)
    for column in (0, 5, 11):
        expected = 1 / np.sqrt(LENGTHS @ np.linalg.inv(covariance(column, detector)) @ LENGTHS)
        assert image.planes["ERR"][:, column] == pytest.approx(expected, rel=1e-3)
    assert (image.planes["SAMP"] == 7).all()
    assert image.planes["TIME"] == pytest.approx(np.full(SHAPE, 503.0))
    assert (image.planes["DQ"] == 0).all()
    assert image.planes["CHI2"] == pytest.approx(np.zeros(SHAPE), abs=1e-3)
    assert image.keywords["CRCORR"] == "COMPLETE"
    assert image.keywords["TVBLEFT"] == (pytest.approx(0, abs=0.01), "sky left between two reads [electron]")
    assert image.history == ("wfc3tvb: hits removed from the ramps of 0 pixels; 0 without a usable interval",)
    assert image.hits is not None
    assert not image.hits.any()


def test_sky_that_the_curve_leaves_is_said(made: Make, detector: Detector) -> None:
    """12 electrons too many in the interval of read 3. The rate takes a part of them, but the level is the last read's.

    The fit gives the rate L^T C^-1 d / L^T C^-1 L, of which 100 s are in the interval. Half a millimagnitude of
    photon noise of the rate itself is left out. The median is over the columns.
    """
    more = np.where(np.arange(TIMES.size) == 2, 0.12, 0.0)
    image = image_of("optimal", made(reads(rates(sky=SKY + more))))
    assert image.planes["SCI"] == pytest.approx(np.full(SHAPE, CUMULATIVE[-1] + 12 / 503), abs=0.01)
    assert np.median(image.planes["SCI"]) == pytest.approx(CUMULATIVE[-1] + 12 / 503, abs=1e-4)
    weights = [LENGTHS @ np.linalg.inv(covariance(column, detector)) for column in range(SHAPE[1])]
    left = np.median([12 - 100 * (w[2] * 12) / (w @ LENGTHS) for w in weights])
    assert image.keywords["TVBLEFT"][0] == pytest.approx(left, abs=0.05)
    assert image.keywords["TVBLEFT"][0] == round(image.keywords["TVBLEFT"][0], 3)
    noise = np.sqrt(2 * 14.6**2 + 200)
    allowed = 0.05 * 100 + 1 + 5 * np.sqrt(np.pi / 2) * noise / 12
    assert image.keywords["TVBLIM"] == (round(allowed, 3), "most that is allowed there [electron]")


def test_a_lost_read_is_left_out_of_all_that_is_said(made: Make, detector: Detector) -> None:
    """Read 3 says nonsense; the interval from read 2 to read 4 has 200 s and the electrons of both."""
    rate = rates()
    rate[2] = -60
    image = image_of("optimal", made(reads(rate)), lost=(3,))
    assert image.planes["SCI"] == pytest.approx(np.full(SHAPE, CUMULATIVE[-1]), rel=1e-5)
    assert (image.planes["SAMP"] == 6).all()
    assert image.keywords["TVBLEFT"][0] == pytest.approx(0, abs=0.01)


def test_without_its_last_read_the_level_is_that_of_the_one_before(made: Make, detector: Detector) -> None:
    rate = rates()
    rate[5] = -60
    rate[4] += 0.05
    image = image_of("optimal", made(reads(rate)), lost=(6,))
    expected = CUMULATIVE[5] + 0.05
    assert np.median(image.planes["SCI"]) == pytest.approx(expected, abs=1e-4)


def test_hits_are_left_out_and_counted(made: Make, detector: Detector) -> None:
    """1000 electrons in one pixel in the interval of read 4."""
    rate = rates()
    rate[3:, 6, 4] += 1000 / TIMES[3:]
    image = image_of("optimal", made(reads(rate)))
    assert image.hits is not None
    assert image.hits[6, 4] == 1 << 4
    assert np.count_nonzero(image.hits) == 1
    assert image.planes["SCI"][6, 4] == pytest.approx(CUMULATIVE[-1], abs=1e-3)
    assert image.planes["DQ"][6, 4] == 0
    assert image.history[0].startswith("wfc3tvb: hits removed from the ramps of 1 pixels; 0 ")


def test_pixels_that_saturate_before_the_first_read_have_the_zeroth(made: Make, detector: Detector) -> None:
    """Pixel (2, 3) saturates at once; in pixel (4, 5) all reads are lost, which leaves nothing to take."""
    given = reads(rates())
    given.dq[:, 2, 3] = 256
    given.dq[:, 4, 5] = 1
    given.rate[:, 4, 5] = np.nan
    given.zeroth_dq[2, 3] = 2048 | 4
    given.zeroth_dq[4, 5] = 16
    image = image_of("optimal", made(given))
    planes = {name: image.planes[name] for name in ("SCI", "ERR", "DQ", "SAMP", "TIME")}
    assert {name: plane[2, 3] for name, plane in planes.items()} == pytest.approx(
        {"SCI": 3.0, "ERR": 0.75, "DQ": 4, "SAMP": 1, "TIME": 2.5}
    )
    assert (planes["SAMP"][4, 5], planes["DQ"][4, 5], planes["ERR"][4, 5]) == (0, 17, 1e5)
    assert (planes["SAMP"][0, 0], planes["TIME"][0, 0]) == (7, 503)
    assert image.history == ("wfc3tvb: hits removed from the ramps of 0 pixels; 1 without a usable interval",)


def test_scattered_light_is_taken_from_the_level(
    made: Make, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0.2 electron/s in the last interval of 100 s, times a pattern of mean 0 that differs from pixel to pixel."""
    pattern = np.where(np.arange(SHAPE[1]) < 6, 0.5, -0.5) * np.ones(SHAPE)
    amplitudes = np.array([0, 0, 0, 0, 0, 0.2])
    light = KnownLight(
        SKY, ScatteredLight(pattern.astype(np.float32), amplitudes, np.full(6, 0.01), 1.0), np.zeros(6, bool)
    )
    monkeypatch.setattr(optimal, "known_light", lambda *_: light)
    electrons = rates() * TIMES[:, None, None] + np.cumsum(amplitudes * LENGTHS)[:, None, None] * pattern
    image = image_of("optimal", made(reads(electrons / TIMES[:, None, None])))
    assert image.planes["SCI"] == pytest.approx(np.full(SHAPE, CUMULATIVE[-1]), rel=1e-5)
    assert image.keywords["TVBLEFT"][0] == pytest.approx(0, abs=0.01)
    assert image.history[1] == "wfc3tvb: scattered light subtracted; left minus right 0.04 electron/s"


def test_intervals_left_out_are_not_judged(made: Make, detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """50 electrons that no pattern describes in the interval of read 4, which the fit does not use."""
    left_out = np.arange(6) == 3
    monkeypatch.setattr(optimal, "known_light", lambda *_: KnownLight(SKY, None, left_out))
    image = image_of("optimal", made(reads(rates(sky=SKY + 0.5 * left_out))))
    assert image.keywords["TVBLEFT"][0] == pytest.approx(0, abs=0.01)
    assert image.history[1].endswith("without a common pattern: 4")


def fit(**given: Any) -> OptimalFit:
    """Return a fit of a row of pixels at 1 electron/s with an error of 0.1, from 7 reads."""
    shape = next(iter(given.values())).shape
    planes: dict[str, Any] = {
        "sci": np.ones(shape, np.float32), "err": np.full(shape, 0.1, np.float32), "chi2": np.ones(shape, np.float32),
        "hits": np.zeros(shape, np.uint32), "samp": np.full(shape, 7, np.int16), "time": np.full(shape, 503.0),
    }  # fmt: skip
    return OptimalFit(**(planes | given))


def test_flags_of_an_image_are_those_of_all_its_reads() -> None:
    """Saturation (256), zeroth-read signal (2048) and rejection (8192) are of reads; four hits are unstable (32)."""
    hits = np.array([[0, 0, 0b1110, 0b11110, 0b111110, 0]], np.uint32)
    given = reads(np.ones((6, 1, 6)))
    given.dq[0, 0, 0], given.dq[3, 0, 0], given.dq[:, 0, 1], given.dq[0, 0, 4] = 4, 512, 256 | 8192 | 2048 | 16, 1
    given.zeroth_dq[0, 5] = 2048 | 8
    flags = flags_of(given, fit(hits=hits))
    assert flags.tolist() == [[516, 16, 0, 32, 33, 8]]
    assert flags.dtype == np.int16


def test_blank_pixels_are_near_the_level_without_flags_and_hits() -> None:
    """The level is the median of the pixels with a fit, 1 electron/s; three standard deviations are 0.3."""
    sci = np.array([[1.0, 1.29, 1.31, 0.71, 0.69, 1.0, 1.0, 1.0, 1.0, 1.0, *[0.0] * 12]], np.float32)
    hits, samp = np.zeros(sci.shape, np.uint32), np.full(sci.shape, 7, np.int16)
    flags = np.zeros(sci.shape, np.int16)
    flags[0, 5], hits[0, 6], samp[0, 7], samp[0, 8] = 4, 2, 1, 2
    samp[0, 10:] = 0
    expected = [True, True, False, True, False, False, False, False, True, True, *[False] * 12]
    assert blank_pixels(fit(sci=sci, hits=hits, samp=samp), flags)[0].tolist() == expected
    nothing = fit(samp=np.zeros((1, 3), np.int16))
    assert not blank_pixels(nothing, np.zeros((1, 3), np.int16)).any()


def test_a_level_needs_more_than_a_hundred_blank_pixels() -> None:
    """101 pixels, of which the others differ by nonsense; the median excess is 0.3."""
    sci = np.full((1, 120), 9, np.float32)
    sci[0, :101] = 1.3
    blank = np.arange(120)[None] < 101
    last = np.ones((1, 120), np.float32)
    assert anchor(fit(sci=sci), last, blank) == pytest.approx(0.3)
    blank[0, 0] = False
    assert anchor(fit(sci=sci), last, blank) == 0.0


# --- the detector --------------------------------------------------------------------------------------------------

AMPLIFIERS = Amplifiers(
    np.array([2.5, 2.25, 2.375, 2.4], np.float32), np.array([20, 19, 21, 18], np.float32), ampx=15, ampy=11
)


def detector_of(
    monkeypatch: pytest.MonkeyPatch, names: dict[str, str], given: IntegrationReads, dark_rate: float = 0.02
) -> tuple[Detector, list[Any]]:
    """Read a detector whose dark has 4 DN in the first read, and then grows; return it with what was asked for."""
    asked: list[Any] = []

    def read_dark(path: Path, *given: Any, shape: tuple[int, int]) -> Dark:
        asked.append((path.name, *given, shape))
        sci = np.stack([np.full(shape, 4 + dark_rate * (t - 3.0), np.float32) for t in given[2]])
        return Dark(sci, sci, sci)  # type: ignore[arg-type]

    def read_flat(paths: Any, shape: tuple[int, int], corner: tuple[int, int]) -> Any:
        asked.append((paths, shape, corner))
        return SimpleNamespace(sci=np.arange(np.prod(shape), dtype=">f4").reshape(shape))

    def amplifiers(path: Path, gain: float) -> Any:
        asked.append((path.name, gain))
        return AMPLIFIERS, {}

    monkeypatch.setattr(optimal.tables, "amplifiers", amplifiers)
    monkeypatch.setattr(optimal.tables, "overscan", lambda path, shape: Overscan((5, 4), (5, 3), (1, 4), (1, 4)))
    monkeypatch.setattr(optimal.images, "read_dark", read_dark)
    monkeypatch.setattr(optimal.images, "read_flat", read_flat)
    files = EngineFiles(Path("ima"), Path("flt"), references(Path("refs"), names))
    return read_detector(files, given), asked


NAMES = {"CCDTAB": "ccd", "OSCNTAB": "osc", "DARKFILE": "drk", "PFLTFILE": "pfl", "LFLTFILE": "lfl"}
HEADER = fits.Header({"CCDGAIN": 2.5, "SAMP_SEQ": "SPARS100", "SUBTYPE": "FULLIMAG"})


def test_the_detector_is_that_of_the_reference_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """A frame of 30 x 28 pixels whose quadrants meet at row 11 + 2 and column 15 - 3; the light begins at 5, 5.

    0.02 DN/s at a mean gain of 2.38125 are 0.047625 electron/s. The table has the noise of a difference of two reads.
    """
    given = reads(np.ones((6, 22, 19)), shape=(30, 28), ltv=(-3, 2), header=HEADER)
    found, asked = detector_of(monkeypatch, NAMES, given)
    assert asked == [
        ("ccd", 2.5),
        ("drk", "SPARS100", "FULLIMAG", [0.0, *TIMES], (30, 28)),
        ([("PFLTFILE", Path("refs/pfl")), ("LFLTFILE", Path("refs/lfl"))], (30, 28), (3, -2)),
    ]
    np.testing.assert_allclose(found.dark, np.full((22, 19), 0.02 * 2.38125), rtol=1e-4)
    np.testing.assert_array_equal(found.flat, np.arange(840, dtype=np.float32).reshape(30, 28)[5:27, 5:24])
    assert found.flat.dtype == np.dtype("=f4")
    a, b, c, d = np.array([20, 19, 21, 18]) / np.sqrt(2)
    expected = np.block([
        [np.full((8, 7), b), np.full((8, 12), c)],
        [np.full((14, 7), a), np.full((14, 12), d)],
    ])  # fmt: skip
    np.testing.assert_allclose(found.read_noise, expected, rtol=1e-6)


@pytest.mark.parametrize(("n", "electrons", "seconds"), [(1, 4.0, 3.0), (2, 2.0, 100.0), (3, 4.0, 200.0)])
def test_the_dark_is_that_between_the_first_read_and_the_last(
    monkeypatch: pytest.MonkeyPatch, n: int, electrons: float, seconds: float
) -> None:
    """4 DN in the first read after 3 s, which count only where there is no other; then 0.02 DN/s."""
    given = reads(np.ones((n, 22, 19)), shape=(30, 28), header=HEADER)
    found, _ = detector_of(monkeypatch, NAMES, given)
    np.testing.assert_allclose(found.dark, np.full((22, 19), electrons * 2.38125 / seconds), rtol=1e-4)


def test_a_dark_below_zero_is_none_and_without_flats_the_flat_is_1(monkeypatch: pytest.MonkeyPatch) -> None:
    given = reads(np.ones((6, 22, 19)), shape=(30, 28), header=HEADER)
    names = {key: name for key, name in NAMES.items() if "FLT" not in key}
    found, asked = detector_of(monkeypatch, names, given, dark_rate=-0.02)
    assert (found.dark == 0).all()
    assert (found.flat == 1).all()
    assert len(asked) == 2


# --- light that is known -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("described", [True, False, None])
def test_scattered_light_is_looked_for_in_the_reads_that_have_it(
    described: bool | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads 2 and 3 are lit, read 5 is lost; bad pixels (4) of the first read are left out, unstable ones (32) not."""
    given = reads(rates())
    given.dq[0, 1, 1], given.dq[0, 2, 2], given.dq[1, 3, 3] = 4, 32, 4
    asked: dict[str, Any] = {}
    found = SimpleNamespace(is_described=described) if described is not None else None

    def look(rate: Array, times: Array, quiet: Array, **more: Any) -> Any:
        asked.update(more, quiet=quiet, times=times)
        return found

    monkeypatch.setattr(known_light, "fit_scattered_light", look)
    light = known_light.known_light(given, member("optimal", lit=(2, 3), lost=(5,)))
    assert light.sky == pytest.approx(SKY)
    assert asked["quiet"].tolist() == [True, False, False, True, True, True]
    assert asked["lost"].tolist() == [False, False, False, False, True, False]
    assert np.argwhere(~asked["good"]).tolist() == [[1, 1]]
    assert light.scattered is (found if described else None)
    assert light.left_out.tolist() == [False, not described, not described, False, False, False]


def test_scattered_light_that_is_not_known_counts_as_none() -> None:
    pattern = np.ones((2, 2), np.float32)
    light = KnownLight(
        SKY, ScatteredLight(pattern, np.array([np.nan, 0.1, np.nan, 0.3, 0, 0]), np.full(6, 0.01), 1.0),
        np.zeros(6, bool),
    )  # fmt: skip
    found = light.arguments()
    assert found["amplitudes"].tolist() == [0, 0.1, 0, 0.3, 0, 0]
    assert found["template"] is pattern
    assert list(KnownLight(SKY, None, np.zeros(6, bool)).arguments()) == ["left_out"]
    assert light.of_pixels(np.array([3]))[:, 0] == pytest.approx(SKY + [0, 0.1, 0, 0.3, 0, 0])
    assert light.mean_amplitude(TIMES) == pytest.approx(40 / 503)
