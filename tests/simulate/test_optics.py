"""Point-spread function against the instrument's; pointing and distortion."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.recorded import table
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.optics import Pointing, point_at, roll_offset, star_stamp
from wfc3tvb.simulate.scene import galaxy_stamp, make_sources, place, scene_rate


@pytest.mark.parametrize("name", ["F105W", "F110W"])
def test_encircled_energy_is_the_instruments(name: str) -> None:
    made = star_stamp(name, -0.35, -0.36)  # the real one's star lies there from its brightest pixel
    y, x = np.indices(made.shape) - made.shape[0] // 2
    real = [row for row in table("truth/encircled_energy.csv") if row["filter"] == name]
    assert len(real) == 10
    for row in real:
        enclosed = made[np.hypot(y, x) <= float(row["radius_pixels"])].sum()
        assert enclosed == pytest.approx(float(row["fraction"]), abs=0.03)


@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, -0.5), (-0.25, 0.4)])
def test_a_star_keeps_its_light_and_its_place(offset: tuple[float, float]) -> None:
    stamp = star_stamp("F105W", *offset)
    y, x = np.indices(stamp.shape) - stamp.shape[0] // 2
    assert stamp.sum() == pytest.approx(1, abs=1e-3)
    weighed = stamp * np.exp(-((y - offset[0]) ** 2 + (x - offset[1]) ** 2) / 18)
    assert (weighed * y).sum() / weighed.sum() == pytest.approx(offset[0], abs=0.07)  # undersampled
    assert (weighed * x).sum() / weighed.sum() == pytest.approx(offset[1], abs=0.07)


def test_postarg_moves_the_target_along_the_axes() -> None:
    frame = Frame(1024)
    for offset in ((0.0, 0.0), (2.0, 0.0), (0.0, 2.0), (-0.7, 0.4)):
        pointing = point_at((189.22, 62.24), 123.4, offset)
        x, y = pointing.wcs(frame).all_world2pix(189.22, 62.24, 0)
        assert float(x) - 511 == pytest.approx(offset[0] / 0.1354, abs=0.1)
        assert float(y) - 511 == pytest.approx(offset[1] / 0.1210, abs=0.1)


def test_pixel_scale_and_angle() -> None:
    pointing = Pointing(10.0, -30.0, 45.0)
    cd = pointing.cd() * 3600
    assert np.hypot(*cd[:, 0]) == pytest.approx(0.1354, abs=2e-4)
    assert np.hypot(*cd[:, 1]) == pytest.approx(0.1210, abs=2e-4)
    assert pointing.pa_aperture == pytest.approx(90 + roll_offset(-30, 45))
    up = np.degrees(np.arctan2(cd[0, 1], cd[1, 1])) % 360
    assert up == pytest.approx(90, abs=1)


def test_sources_stay_at_their_place_of_the_sky() -> None:
    target = (150.0, 2.0)
    sources = make_sources(11, target)
    frame = Frame(256)
    for offset in ((0.0, 0.0), (0.54, 0.18)):
        pointing = point_at(target, 70.0, offset)
        x, y = place(sources, pointing, frame)
        ra, dec = pointing.wcs(frame).all_pix2world(x, y, 0)
        assert np.allclose(ra, sources.ra, atol=1e-8)
        assert np.allclose(dec, sources.dec, atol=1e-8)
        image = scene_rate(sources, pointing, frame, "F105W")
        inside = (x > 40) & (x < 225) & (y > 40) & (y < 225)
        assert image.sum() > sources.rate("F105W")[inside].sum() * 0.95
        brightest = np.flatnonzero(inside & sources.is_star)
        star = brightest[np.argmin(sources.mag[brightest])]
        box = image[round(y[star]) - 1 : round(y[star]) + 2, round(x[star]) - 1 : round(x[star]) + 2]
        assert box.max() > 0.15 * sources.rate("F105W")[star]


def test_a_galaxy_is_as_large_as_asked() -> None:
    stamp = galaxy_stamp(0.4, 1.0, 1.0, 0.0, 0.0, 0.0)
    y, x = np.indices(stamp.shape) - 30
    inside = np.hypot(y * 0.1210, x * 0.1354) <= 0.4
    assert stamp.sum() == pytest.approx(1)
    assert stamp[inside].sum() == pytest.approx(0.5, abs=0.05)
    long = galaxy_stamp(0.6, 1.0, 0.3, 0.0, 0.0, 0.0)
    assert (long * (y * 0.1210) ** 2).sum() > 5 * (long * (x * 0.1354) ** 2).sum()
