"""One line in the table of filters is enough: what checks, models or simulates a filter takes it from there."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner

from tests.helpers import golden
from tests.helpers.generator import SPARS100
from tests.helpers.rows import curve_rows
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.cli import main
from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.instrument import FILTERS, Filter, control_filters, find_filter, helium_filters, is_grism, sees_helium
from wfc3tvb.score.score import score
from wfc3tvb.score.zodiacal import zodiacal_level
from wfc3tvb.simulate.optics import pixel_response
from wfc3tvb.simulate.reference_tables import idctab, imphttab
from wfc3tvb.simulate.scene import make_sources
from wfc3tvb.survey.null_calibration import selections

PLACE = (189.2, 62.2, 56298.785)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Filter:
    """Add a filter that passes helium, with twice the zodiacal light of F105W."""
    line = Filter("F999W", 1.08, 0.2, helium=True, zero_point=26.5, zodi=2.46, thermal=0.05, kilorayleigh=2.0,
                  photflam=2e-20, photbw=600.0)  # fmt: skip
    monkeypatch.setitem(FILTERS, "F999W", line)
    return line


def test_what_the_handbooks_say_of_filters() -> None:
    assert helium_filters() == ("F105W", "F110W")
    assert [name for name in FILTERS if is_grism(name)] == ["G102", "G141"]
    assert [name for name, each in FILTERS.items() if each.simulated] == [
        "F098M", "F105W", "F110W", "F125W", "F130N", "F140W", "F160W",
    ]  # fmt: skip
    assert not sees_helium("G141")  # its spectra do; but no image of the sky's level comes of it
    assert find_filter(" f105w ") is FILTERS["F105W"]
    assert find_filter(None) is find_filter("F606W") is None
    # The line at 1.083 micrometre lies within the width of the filters that pass it, and of no other.
    images = [each for each in FILTERS.values() if each.pivot is not None and each.width is not None]
    assert len(images) == 15
    assert [each.name for each in images if abs(1.083 - each.pivot) < each.width / 2] == ["F105W", "F110W"]
    # O I at 1.1287 micrometre: inside F110W and F125W, on the red side of F105W (0.90 to 1.20); the controls are clean.
    inside = [each.name for each in images if abs(1.1287 - each.pivot) < 0.55 * each.width]
    assert inside == [each.name for each in images if each.oxygen] == ["F105W", "F110W", "F125W"]
    assert control_filters() == ("F098M", "F140W", "F160W")


def test_an_added_filter_is_listed_asked_for_and_calibrated_on(made_up: Filter) -> None:
    assert Selection().wanted_filters == ("F105W", "F110W", "F999W")
    assert list(selections()) == ["F105W, F110W, F999W in shadow", "F098M, F140W, F160W"]


def test_an_added_filter_has_a_zodiacal_model_and_a_helium_brightness(made_up: Filter) -> None:
    level, usual = zodiacal_level("F999W", *PLACE), zodiacal_level("F105W", *PLACE)
    assert level is not None
    assert usual is not None
    assert level - 0.05 == pytest.approx(2 * (usual - 0.05), rel=1e-12)
    t = np.array(SPARS100)
    exposure, reads = curve_rows("ibohbfb9q", t, np.full(t.size, 2.0), in_shadow=np.zeros(t.size))
    row = score(exposure | {"filter": "F999W"}, reads, MeasureSettings())
    assert row["excess_helium"] == pytest.approx(2.0 - row["zodi_model"], rel=1e-9)
    assert row["he_kr"] == pytest.approx(2.0 * row["excess_helium"], rel=1e-12)


def test_an_added_filter_is_simulated(made_up: Filter) -> None:
    photometry = imphttab()
    modes = [mode.strip() for mode in photometry["PHOTPLAM"].data["OBSMODE"]]
    row = modes.index("wfc3,ir,f999w,mjd#")
    assert photometry["PHOTPLAM"].data["PHOTPLAM"][row] == 10800.0
    assert photometry["PHOTFLAM"].data["PHOTFLAM"][row] == 2e-20
    assert "F999W" in list(idctab()[1].data["FILTER"])
    sources = make_sources(3, (189.2, 62.2))
    assert sources.rate("F999W") / sources.rate("F105W") == pytest.approx(10 ** (0.4 * (26.5 - 26.269)))
    # The image widens with the wavelength: its brightest element falls from F105W to F110W, this filter's between.
    first, middle, last = (pixel_response(name).max() for name in ("F105W", "F999W", "F110W"))
    assert first > middle > last


def test_an_added_filter_is_surveyed(made_up: Filter, tmp_path: Path) -> None:
    folder, catalog = tmp_path / "files", tmp_path / "catalog"
    folder.mkdir()
    with fits.open(golden.HERE / "09_spars100_64_n4_rise" / "perform" / "igold091q_ima.fits.gz") as file:
        file[0].header["FILTER"] = "F999W"
        file.writeto(folder / "igold091q_ima.fits")
    options = ["--source", folder, "--filters", "F999W", "--catalog", catalog, "--json"]
    answer = CliRunner().invoke(main, ["survey", *map(str, options)])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)["n_measured"] == 1
    with open_catalog(catalog) as store:
        assert store.sql("SELECT rootname, filter FROM exposures").fetchall() == [("igold091q", "F999W")]
