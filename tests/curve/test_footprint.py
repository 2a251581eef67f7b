"""Footprints: corners on the sky against astropy's world coordinates, order of the corners, HEALPix pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.units import Quantity
from astropy.wcs import WCS

from tests.helpers import recorded
from wfc3tvb.curve.footprint import aperture_corners, healpix_index, region_text, sky_place, wcs_corners
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.optics import Pointing

FULL = {"raw_shape": (1014, 1014), "shape": (1014, 1014)}
OUTSIDE = [(0.5, 0.5), (1014.5, 0.5), (1014.5, 1014.5), (0.5, 1014.5)]
#: Directions where formulas go wrong: poles, right ascension 0, the equator.
PLACES = [(0.001, 0.0), (359.999, -45.0), (123.0, 89.99), (10.0, -89.999), (189.2, 62.2), (77.0, 89.9999)]


def apart(corners: Any, others: Any) -> float:
    """Return the largest separation of a corner from the nearest of the others [arcsec]."""
    one, other = (SkyCoord(np.asarray(each), unit="deg") for each in (corners, others))
    return float(one[:, None].separation(other[None]).arcsec.min(axis=1).max())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    """Row of an exposure and science header of a real F110W FLT, whose world coordinates are fitted to Gaia."""
    path = recorded.unpack("headers/ib4606cpq_flt.fits", tmp_path_factory.mktemp("footprint"))
    with fits.open(path) as hdus:
        primary, header = hdus[0].header, hdus["SCI", 1].header
        names = {"ra": "RA_APER", "dec": "DEC_APER"}
        row = {"aperture": primary["APERTURE"], "pa_v3": primary["PA_V3"]}
        return row | {name: header[keyword] for name, keyword in names.items()}, header


def test_a_real_frame_is_where_astropy_puts_it(real: tuple[dict[str, Any], Any], tmp_path: Path) -> None:
    header = real[1]
    corners = wcs_corners(header, **FULL)
    assert corners is not None
    path = recorded.unpack("headers/ib4606cpq_flt.fits", tmp_path)
    with fits.open(path) as hdus:
        wcs = WCS(header, hdus)
        assert apart(corners, wcs.wcs_pix2world(OUTSIDE, 1)) < 1e-6
        assert apart(corners, wcs.all_pix2world(OUTSIDE, 1)) < 2.0


def test_the_frame_has_the_size_of_the_handbook(real: tuple[dict[str, Any], Any]) -> None:
    corners = wcs_corners(real[1], **FULL)
    sky = SkyCoord(corners, unit="deg")
    sides = sky.separation(SkyCoord(np.roll(corners, -1, axis=0), unit="deg")).arcsec
    # WFC3 Instrument Handbook 7.4: 136 x 123 arcsec.
    assert sorted(sides) == pytest.approx([123, 123, 136, 136], rel=0.012)


def test_the_aperture_gives_what_the_archive_wrote(real: tuple[dict[str, Any], Any], real_images: Path) -> None:
    row, header = real
    names = ("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2")
    first = wcs_corners({name: header[f"{name}O"] for name in names}, **FULL)  # of the pipeline, before any fit
    assert apart(aperture_corners(row), first) < 0.5
    with fits.open(real_images / "ibxy07p9q_ima.fits") as hdus:
        primary, header = hdus[0].header, hdus["SCI", 1].header
        row = {"aperture": primary["APERTURE"], "pa_v3": primary["PA_V3"], "ra": header["RA_APER"],
               "dec": header["DEC_APER"]}  # fmt: skip
        sub = wcs_corners(header, raw_shape=(266, 266), shape=(256, 256))
        assert row["aperture"] == "GRISM256"
        assert apart(aperture_corners(row), sub) < 0.2


@pytest.mark.parametrize(("ra", "dec"), PLACES)
@pytest.mark.parametrize("pa_v3", [0.0, 100.0, 271.0])
@pytest.mark.parametrize("size", [256, 1024])
def test_corners_near_poles_and_right_ascension_zero(ra: float, dec: float, pa_v3: float, size: int) -> None:
    frame = Frame(size)
    pointing = Pointing(ra, dec, pa_v3)
    wcs = pointing.wcs(frame, sip=False)
    cd = {f"CD{i + 1}_{j + 1}": wcs.wcs.cd[i, j] for i in (0, 1) for j in (0, 1)}
    header = cd | {"CRPIX1": wcs.wcs.crpix[0], "CRPIX2": wcs.wcs.crpix[1], "CRVAL1": ra, "CRVAL2": dec}
    corners = wcs_corners(header, raw_shape=(frame.raw, frame.raw), shape=(frame.light, frame.light))
    first, last = 5.5, 5.5 + frame.light
    expected = wcs.wcs_pix2world([(first, first), (last, first), (last, last), (first, last)], 1)
    assert corners is not None
    assert apart(corners, expected) < 1e-5
    assert ((corners[:, 0] >= 0) & (corners[:, 0] < 360)).all()
    if abs(dec) < 80:  # at a pole the roll at the aperture is not that at the axis of the telescope
        row = {"aperture": frame.aperture, "ra": ra, "dec": dec, "pa_v3": pa_v3}
        assert apart(aperture_corners(row), corners) < 0.5


@pytest.mark.parametrize(("ra", "dec"), PLACES)
def test_corners_are_counter_clockwise_in_the_sky(ra: float, dec: float) -> None:
    corners = aperture_corners({"aperture": "IR-FIX", "ra": ra, "dec": dec, "pa_v3": 12.0})
    angles = SkyCoord(ra, dec, unit="deg").position_angle(SkyCoord(corners, unit="deg")).deg
    # From north through east: position angles grow.
    assert ((np.diff([*angles, angles[0]]) % 360) < 180).all()


def test_text_of_a_region() -> None:
    corners = np.array([[359.9999999, -0.5], [0.1, -0.5], [0.1, 0.5], [359.9, 0.5]])
    text = region_text(corners)
    assert text == (
        "POLYGON ICRS 359.9999999 -0.5000000 0.1000000 -0.5000000 0.1000000 0.5000000 359.9000000 0.5000000"
    )
    assert region_text(None) is None


@pytest.mark.parametrize(
    "header",
    [{}, dict.fromkeys(("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2"), 0.0),
     dict.fromkeys(("CRPIX1", "CRPIX2", "CRVAL1", "CRVAL2", "CD1_1", "CD1_2", "CD2_1", "CD2_2"), "5"),
     {"CRPIX1": 1.0, "CRPIX2": 1.0, "CRVAL1": 1.0, "CRVAL2": 95.0, "CD1_1": 1, "CD1_2": 0, "CD2_1": 0, "CD2_2": 1}],
)  # fmt: skip
def test_headers_without_world_coordinates(header: dict[str, Any]) -> None:
    assert wcs_corners(header, **FULL) is None


def test_rows_without_a_place() -> None:
    nowhere = {"aperture": "IR", "ra": None, "dec": None, "pa_v3": 10.0}
    assert sky_place(nowhere) == {"healpix": None, "s_region": None}
    no_roll = {"aperture": "IR", "ra": 10.0, "dec": 10.0, "pa_v3": None}
    assert sky_place(no_roll)["s_region"] is None
    assert sky_place(no_roll)["healpix"] is not None


@pytest.mark.parametrize(("ra", "dec"), [*PLACES, (45.0, 0.0), (315.0, 41.8103)])
def test_healpix_pixels_are_those_of_another_library(ra: float, dec: float) -> None:
    mocpy = pytest.importorskip("mocpy", reason="another HEALPix library: pip install 'wfc3tvb[moc]'")
    place = Quantity([ra], "deg"), Quantity([dec], "deg")
    ranges = mocpy.MOC.from_lonlat(*place, max_norder=29).to_depth29_ranges
    assert healpix_index(ra, dec) == ranges[0][0]


@pytest.mark.parametrize("name", ["IRSUB256", "IRSUB64", "IR-FIX"])
def test_a_subarray_is_centered_on_its_direction(name: str) -> None:
    """Its reference point is the middle of the light-sensitive frame, 507.5; a pixel is 0.128 arcsec."""
    corners = aperture_corners({"aperture": name, "ra": 30.0, "dec": 0.0, "pa_v3": 40.0})
    assert corners is not None
    assert corners.mean(0) == pytest.approx([30.0, 0.0], abs=1e-6)
    size = {"IRSUB256": 256, "IRSUB64": 64, "IR-FIX": 1014}[name]
    diagonal = np.hypot(*(corners[2] - corners[0])) * 3600
    other = np.hypot(*(corners[3] - corners[1])) * 3600
    assert np.sqrt((diagonal**2 + other**2) / 4) == pytest.approx(np.hypot(0.13541, 0.12095) * size / 2**0.5, rel=1e-3)


def test_half_a_direction_is_none() -> None:
    assert (healpix_index(None, 5.0), healpix_index(5.0, None)) == (None, None)
    known = {"aperture": "IR", "ra": 30.0, "dec": 0.0, "pa_v3": 40.0}
    assert aperture_corners(known) is not None
    assert [aperture_corners(known | {name: None}) for name in known] == [None] * 4
    assert aperture_corners(known | {"ra": 0.0, "dec": 0.0, "pa_v3": 0.0}) is not None
