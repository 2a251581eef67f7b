"""The result to come has the keywords of the one that comes, so that its headers have their length in advance."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from tests.calibration.small import NX, NY, N, calibrated, images, no_flags, ramp, work_of
from wfc3tvb.calibration.model import Dark, Planes, Switches
from wfc3tvb.calibration.run import expected

DARK = Dark(
    Planes(tuple(images(3, 0, 9)), np.float32),
    Planes(tuple(images(4, 0, 1)), np.float32),
    Planes(tuple(no_flags()), np.int16),
)


def only(*names: str) -> Switches:
    """Return the switches with these steps alone."""
    return Switches(**{one.name: one.name in names for one in fields(Switches)})


@pytest.mark.parametrize(
    ("switches", "n_levels", "n_dark"),
    [
        (only(), 0, 0),
        (only("blevcorr"), N, 0),
        (only("darkcorr"), 0, N),
        (only("blevcorr", "darkcorr", "unitcorr"), N, N),
    ],
)
def test_what_is_known_before_the_pixels(switches: Switches, n_levels: int, n_dark: int) -> None:
    work = work_of(ramp(images(1, 0, 900), err=images(2, 1, 9)), switches, dark=DARK)
    before, (after, _) = expected(work), calibrated(work)
    for found in (before, after):
        assert (len(found.bias_levels), len(found.mean_dark)) == (n_levels, n_dark)
        assert len(found.statistics) == N
    for one, other in zip(before.statistics, after.statistics, strict=True):
        assert {name: list(values) for name, values in one.items()} == {n: list(values) for n, values in other.items()}
    assert before.ramp.unit == after.ramp.unit
    np.testing.assert_array_equal(before.ramp.time, after.ramp.time)
    assert before.image.sci.shape == (NY - 10, NX - 10)


def test_without_a_dark_there_is_no_mean_of_it() -> None:
    work = work_of(ramp(images(1, 0, 900)), only())
    assert expected(work).mean_dark == ()
    assert calibrated(work)[0].mean_dark == ()


def test_an_image_without_a_fit_is_the_last_read() -> None:
    """SAMP counts the reads without the zeroth, TIME is that of the last."""
    sci = images(1, 0, 900)
    result, _ = calibrated(work_of(ramp(sci), only("zoffcorr")))
    image = result.image
    np.testing.assert_array_equal(image.sci, sci[-1, 5:-5, 5:-5] - sci[0, 5:-5, 5:-5])
    assert (image.samp == N - 1).all()
    assert image.time == pytest.approx(np.full(image.time.shape, 202.5))
