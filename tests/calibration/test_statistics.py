"""Statistics of good pixels, one pixel after the other as calwf3 adds them (calwf3-ir.md, section 4.12)."""

from __future__ import annotations

import numpy as np
import pytest

from tests.calibration.small import NX, NY, N, calibrated, images, no_flags, ramp, work_of
from wfc3tvb.calibration import run
from wfc3tvb.calibration.model import Imset, Switches, Window
from wfc3tvb.calibration.statistics import add_rows, keywords, no_totals

F = np.float32
WINDOW = Window(2, NY - 1, 1, NX - 3)
BAD = 4 | 512


def one_by_one(sci: np.ndarray, err: np.ndarray, dq: np.ndarray) -> dict[str, dict[str, float]]:
    """Return the keywords as section 4.12 writes them."""
    n, total, low, high = 0, [0.0] * 3, [F(0)] * 3, [F(0)] * 3
    for y in range(WINDOW.y0, WINDOW.y1):
        for x in range(WINDOW.x0, WINDOW.x1):
            if dq[y, x] & BAD or err[y, x] <= 0:
                continue
            values = float(sci[y, x]), float(err[y, x]), float(sci[y, x]) / float(err[y, x])
            for i, value in enumerate(values):
                total[i] += value
                low[i] = F(value) if n == 0 or F(value) < low[i] else low[i]
                high[i] = F(value) if n == 0 or F(value) > high[i] else high[i]
            n += 1
    found = [(float(low[i]), float(high[i]), float(F(total[i] / n))) for i in range(3)]
    sci_keywords, err_keywords = {"NGOODPIX": n}, {"NGOODPIX": n}
    for keywords_, prefix, i in ((sci_keywords, "GOOD", 0), (sci_keywords, "SNR", 1), (err_keywords, "GOOD", 2)):
        keywords_ |= dict(zip((f"{prefix}MIN", f"{prefix}MAX", f"{prefix}MEAN"), found[i], strict=True))
    return {"SCI": sci_keywords, "ERR": err_keywords}


def reads() -> Imset:
    dq = no_flags()
    dq[:, 3, 3:6], dq[1, 2, :9], dq[2, 7, 7] = 4, 512, 1024
    err = images(2, 0.1, 9)
    err[0, 5, 5], err[1, 5, 6] = 0, -1
    return Imset(images(1, -50, 4e4), err, dq)


def in_pieces(given: Imset, *, rows: int) -> list[dict[str, dict[str, float]]]:
    totals = no_totals(N)
    for y in range(WINDOW.y0, WINDOW.y1, rows):
        add_rows(given, BAD, WINDOW._replace(y0=y, y1=min(y + rows, WINDOW.y1)), totals)
    return [keywords(totals, k) for k in range(N)]


@pytest.mark.parametrize("rows", [1, 4, NY])
def test_sums_are_those_of_one_pixel_after_the_other(rows: int) -> None:
    given = reads()
    assert in_pieces(given, rows=rows) == [one_by_one(*(planes[k] for planes in given)) for k in range(N)]


def test_nan_counts_and_is_an_extreme_only_if_it_comes_first() -> None:
    given = reads()
    given.sci[0, 8, 8] = np.nan
    given.sci[1, 2, 10] = given.err[2, 2, 1] = np.nan
    found = in_pieces(given, rows=4)
    np.testing.assert_equal(found, [one_by_one(*(planes[k] for planes in given)) for k in range(N)])
    assert np.isfinite(found[0]["SCI"]["GOODMAX"])
    assert np.isnan(found[0]["SCI"]["GOODMEAN"])
    assert np.isnan(found[1]["SCI"]["GOODMIN"]) == (given.dq[1, 2, 1:11] == 512).all()
    assert np.isnan(found[2]["SCI"]["SNRMIN"])


@pytest.mark.parametrize(("first", "second"), [(0.0, -0.0), (-0.0, 0.0)])
def test_sign_of_a_zero_is_that_of_the_first(first: float, second: float) -> None:
    sci = np.full((N, NY, NX), second, F)
    sci[:, WINDOW.y0, WINDOW.x0] = first
    (found, *_) = in_pieces(Imset(sci, sci + 1, no_flags()), rows=4)
    assert str(found["SCI"]["GOODMIN"]) == str(found["SCI"]["GOODMAX"]) == str(first)


def test_without_a_good_pixel_there_is_only_their_number() -> None:
    nothing = Imset(images(1, 0, 1), np.zeros((N, NY, NX), F), no_flags())
    assert in_pieces(nothing, rows=4)[0] == {"SCI": {"NGOODPIX": 0}, "ERR": {"NGOODPIX": 0}}


def test_bands_in_threads_add_up_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sums of numbers of very different size depend on the order."""
    monkeypatch.setattr(run, "BAND", 2)
    cube = images(5, -1, 1) * F(10) ** np.arange(-6, NY - 6, dtype=F)[:, None]
    made, stored = calibrated(work_of(ramp(cube, err=images(6, 1, 2)), Switches(*[False] * 10)), threads=3)
    np.testing.assert_array_equal(stored.sci, cube)
    total = 0.0
    for value in cube[1, 5:-5, 5:-5].ravel():
        total += float(value)
    assert made.statistics[1]["SCI"]["GOODMEAN"] == float(F(total / ((NY - 10) * (NX - 10))))


def test_bands_of_any_size_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    results = []
    for rows in (3, NY):
        monkeypatch.setattr(run, "BAND", rows)
        switches = Switches(dqicorr=False, nlincorr=False, zsigcorr=False, darkcorr=False, crcorr=False, flatcorr=False)
        made, stored = calibrated(work_of(ramp(images(7, 0, 3e4)), switches))
        planes = [made.image.sci, made.image.err, *stored, *made.corners, *made.constant]
        results.append((made.statistics, made.image_statistics, made.bias_levels, planes))
    (*numbers, planes), (*others, other_planes) = results
    assert numbers == others
    for plane, other in zip(planes, other_planes, strict=True):
        np.testing.assert_array_equal(plane, other)
    assert planes[0].any()
    assert [k for k, same in enumerate(made.constant.dq) if same] == list(range(N))
