"""Headers have the keywords of real ones."""

from __future__ import annotations

from dataclasses import astuple
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from tests.helpers.recorded import DATA, unpack
from wfc3tvb.curve.geometry import orbit_position
from wfc3tvb.fits.support_file import read_orbit
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.headers import KINDS, extension_headers, filled, primary_header
from wfc3tvb.simulate.plan import ExposurePlan
from wfc3tvb.simulate.presets import preset
from wfc3tvb.simulate.reference_files import reference_names
from wfc3tvb.simulate.support_files import association_table, support_file

#: Of the file's structure, not of the exposure; or of instruments since 2021.
STRUCTURE = {
    "SIMPLE",
    "BITPIX",
    "NAXIS",
    "NAXIS1",
    "NAXIS2",
    "EXTEND",
    "XTENSION",
    "PCOUNT",
    "GCOUNT",
    "ORIGIN",
    "DATE",
}
LATER = {"BSIDEOPS"}


@pytest.fixture(scope="module")
def plan() -> ExposurePlan:
    return preset("ibohbf040").exposures[1]


def real_cards() -> list[fits.Card]:
    """Return the cards with a value in the primary header of a real raw file, in order."""
    lines = (DATA / "headers" / "idbx43p7q_raw_primary.txt").read_text().splitlines()
    return [fits.Card.fromstring(line) for line in lines if line[8:10] == "= "]


def made_primary(plan: ExposurePlan, size: int = 1024) -> fits.Header:
    frame = Frame(size)
    return primary_header(plan, frame, reference_names(1, frame, plan.filter, plan.samp_seq), "ibohbf040")


def test_primary_header_has_every_keyword_of_a_real_one_in_its_order(plan: ExposurePlan) -> None:
    real = [card.keyword for card in real_cards() if card.keyword not in STRUCTURE | LATER]
    made = [k for k in made_primary(plan) if k and k not in STRUCTURE]
    assert made == real


@pytest.mark.parametrize("kind", KINDS)
def test_extension_headers_have_every_keyword_of_real_ones(real_images: Path, plan: ExposurePlan, kind: str) -> None:
    header = fits.getheader(real_images / "ibxy07p9q_ima.fits", (kind, 1))
    real = [keyword for keyword in header if keyword not in ("", "COMMENT", "HISTORY")]
    assert len(real) > 15
    made = set(extension_headers(plan, Frame(256), 3)[kind])
    missing = [keyword for keyword in real if keyword not in made | STRUCTURE]
    assert missing == []


def test_types_are_those_of_real_headers(plan: ExposurePlan) -> None:
    made = made_primary(plan)
    for card in real_cards():
        if card.keyword not in STRUCTURE | LATER:
            assert type(made[card.keyword]) is type(card.value), card.keyword


def test_values_of_the_exposure(plan: ExposurePlan) -> None:
    header = made_primary(plan)
    assert header["ROOTNAME"] == "ibohbfb9q"
    assert (header["DATE-OBS"], header["TIME-OBS"]) == ("2013-01-06", "18:50:42")
    assert header["EXPTIME"] == pytest.approx(1599.231)
    assert (header["EXPEND"] - header["EXPSTART"]) * 86400 == pytest.approx(1599.231, abs=0.01)
    assert (header["POSTARG1"], header["POSTARG2"]) == (0.305, -0.03)
    assert header["DARKFILE"] == "iref$s1step200fulli_drk.fits"
    assert header["ASN_TAB"] == "ibohbf040_asn.fits"
    assert header["SUN_ALT"] == pytest.approx(4.0, abs=0.5)  # at PSTRTIME; 5.1 at the start
    assert 80 < header["SUNANGLE"] < 150
    assert header["CRCORR"] == "PERFORM"


@pytest.mark.parametrize(("size", "crpix"), [(1024, 512.0), (256, 133.0), (64, 37.0)])
def test_groups_count_time_backwards(plan: ExposurePlan, size: int, crpix: float) -> None:
    frame, last = Frame(size), plan.nsamp - 1
    times = plan.times(size)
    for read in (0, 1, last):
        headers = extension_headers(plan, frame, read)
        sci = headers["SCI"]
        assert sci["EXTVER"] == plan.nsamp - read
        assert sci["SAMPNUM"] == read
        assert sci["SAMPTIME"] == times[read]
        assert (sci["ROUTTIME"] - plan.start) * 86400 == pytest.approx(times[read], abs=1e-3)
        assert headers["SAMP"]["PIXVALUE"] == read + 1
        assert headers["TIME"]["PIXVALUE"] == times[read]
        assert sci["CRPIX1"] == sci["CRPIX2"] == crpix
        assert sci["LTV1"] == crpix - 507
    first = extension_headers(plan, frame, 1)["SCI"]
    assert first["DELTATIM"] == pytest.approx(times[1])


def test_a_template_refuses_unknown_keywords() -> None:
    with pytest.raises(KeyError, match="NONSENSE"):
        filled("asn", {"NONSENSE": 1})


def test_support_file_gives_the_orbit_back(tmp_path: Path, plan: ExposurePlan) -> None:
    path = tmp_path / "ibohbfb9q_spt.fits"
    support_file(plan, Frame(1024)).writeto(path)
    assert astuple(read_orbit(path)) == pytest.approx(astuple(plan.orbit), rel=1e-12)
    header = fits.getheader(path)
    position = orbit_position(plan.orbit, np.array([plan.start]))[0]
    assert [header[f"POSTNST{axis}"] for axis in "XYZ"] == pytest.approx(position)
    assert header["RA_SUN"] == pytest.approx(287.9, abs=0.3)
    assert header["DEC_SUN"] == pytest.approx(-22.4, abs=0.2)
    assert header["PSTRTIME"] == "2013.006:18:50:16"


def test_support_file_has_the_orbit_keywords_of_a_real_one(tmp_path: Path, plan: ExposurePlan) -> None:
    real = fits.getheader(unpack("ephemeris/jbz504eoq_spt.fits", tmp_path))
    made = support_file(plan, Frame(1024))[0].header
    keys = list(real)
    model = keys[keys.index("EPCHTIME") : keys.index("OBSSTRTT")]
    assert [key for key in model if key not in made] == ["SDMA3SQ"]
    for key in ("HSTHORB", "CIRVELOC", "SEMILREC", "COSINCLI", "FDMEANAN", "RCASCNRV"):
        assert made[key] == pytest.approx(real[key], rel=5e-3)


def test_association_table() -> None:
    table = association_table(preset("ibohbf040").visits[0])
    rows = [tuple(row) for row in table["ASN"].data]
    assert rows[1] == ("IBOHBFB9Q", "EXP-DTH", True)
    assert rows[-1] == ("IBOHBF040", "PROD-DTH", True)
    assert table[0].header["ASN_TAB"] == "ibohbf040_asn.fits"
