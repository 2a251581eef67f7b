"""Observation logs: the archive's layout, the start of the window in three places, and the messages for bad ones."""

from __future__ import annotations

import gzip
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time

from tests.helpers.calibrated import calibrated
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.config import Selection
from wfc3tvb.curve.geometry import jitter_geometry, orbit_position, view_geometry, wrap
from wfc3tvb.errors import BadFileError, MissingKeywordError, TruncatedFileError
from wfc3tvb.fits.observation_log import beside, find_jitter, jitter_names, read_jitter
from wfc3tvb.fits.support_file import read_orbit
from wfc3tvb.measurement import measure
from wfc3tvb.simulate.observation_log import jitter_file
from wfc3tvb.simulate.presets import preset
from wfc3tvb.survey.survey import survey

VISIT = preset("ibohbf040").visits[0]
#: EXPSTART of ibohbfb9q.
START = Time("2013-01-06T18:50:42").mjd


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "ibohbf040_jit.fits"
    jitter_file(VISIT, 256).writeto(path)
    return path


def changed(path: Path, **keywords: str) -> None:
    """Set keywords of the table of ibohbfb9q."""
    with fits.open(path, mode="update") as hdus:
        hdus[2].header.update(keywords)


def test_table_of_the_exposure_and_its_times(log: Path) -> None:
    found = read_jitter(log, "ibohbfb9q", START)
    assert found.mjd[0] == pytest.approx(Time("2013-01-06T18:50:42").mjd, abs=1e-9)
    assert np.diff(found.mjd) * 86400 == pytest.approx(3.0, abs=1e-4)
    assert found.mjd[-1] > found.mjd[0] + 1599 / 86400
    assert found.bright_limb is not None


def test_simulated_logs_have_daynight_0_in_shadow_too(log: Path) -> None:
    """As the archive's; b7q is in shadow until its end, b9q begins at sunrise."""
    with fits.open(log) as hdus:
        assert [int(np.max(hdu.data["DayNight"])) for hdu in hdus[1:]] == [0] * len(VISIT.exposures)
    shadow = {}
    for name in ("ibohbfb7q", "ibohbfb9q"):
        found = read_jitter(log, name, START if name == "ibohbfb9q" else VISIT.exposures[0].start)
        place = jitter_geometry(found, found.mjd, 189.2, 62.2)
        assert place is not None
        shadow[name] = place.in_shadow.mean()
    assert shadow["ibohbfb7q"] > 0.5
    assert shadow["ibohbfb9q"] < 0.05


@pytest.mark.parametrize("daynight", [0, 1])
def test_shadow_is_that_of_the_support_file_whatever_daynight_says(tmp_path: Path, daynight: int) -> None:
    one = replace(VISIT, association=None, exposures=(VISIT.exposures[4],))
    ima = calibrated(tmp_path, replace(preset("ibohbf040"), visits=(one,)), 64).path("ibohbfbkq", "ima")
    log = ima.with_name("ibohbfbkj_jit.fits")
    with fits.open(log, mode="update") as hdus:
        hdus[1].data["DayNight"] = daynight
    computed = measure(ima)
    ima.with_name("ibohbfbkq_spt.fits").unlink()
    logged = measure(ima)
    assert [m.exposure["geometry_source"] for m in (computed, logged)] == ["spt", "jit"]
    assert [row["in_shadow"] for row in logged.reads] == [row["in_shadow"] for row in computed.reads]
    assert 0 < logged.exposure["frac_in_shadow"] == computed.exposure["frac_in_shadow"] < 1


@pytest.mark.parametrize(
    ("name", "entry", "fraction"),
    [
        ("ldfd01vnq", "2017:181:05:11:32", 0.387),
        ("ldfd01vpq", None, 1.0),
        ("ldfd01vrq", "2017:181:06:46:55", 0.153),
        ("ldfd01vtq", None, 1.0),
    ],
)
def test_real_logs_enter_the_shadow_when_their_companion_says(
    shared_data: Path, tmp_path: Path, name: str, entry: str | None, fraction: float
) -> None:
    """SHADOENT and SHADOEXT of the JIF; DayNight of these logs is 0 in every row."""
    for kind in ("jit", "jif"):
        packed = shared_data / "geometry" / f"ldfd01010_{kind}.fits.gz"
        (tmp_path / packed.name.removesuffix(".gz")).write_bytes(gzip.decompress(packed.read_bytes()))
    found = read_jitter(tmp_path / "ldfd01010_jit.fits", name)
    place = jitter_geometry(found, found.mjd, 209.3, -9.5)
    assert place is not None
    assert place.in_shadow.mean() == pytest.approx(fraction, abs=0.005)
    if entry is not None:
        first = found.mjd[np.argmax(place.in_shadow)]
        assert (first - Time(entry, format="yday").mjd) * 86400 == pytest.approx(0.0, abs=4.0)


def test_start_in_the_log_goes_before_the_companion_and_expstart(log: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[0.0])])
    table.header.update({"EXPNAME": "ibohbfb9j", "STARTIME": "2013.006:18:50:12.50"})
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(log.with_name("ibohbf040_jif.fits"))
    assert read_jitter(log, "ibohbfb9q", START).mjd[0] == pytest.approx(Time("2013-01-06T18:50:12.5").mjd, abs=1e-9)
    changed(log, STARTIME="2013.006:18:50:22")
    assert read_jitter(log, "ibohbfb9q", START).mjd[0] == pytest.approx(Time("2013-01-06T18:50:22").mjd, abs=1e-9)


def test_entries_that_are_no_angles_are_left_out(log: Path) -> None:
    with fits.open(log, mode="update") as hdus:
        hdus[2].data["LimbAng"][5:8] = 9999.0
        hdus[2].data["Latitude"][9] = np.nan
    whole = read_jitter(log, "ibohbfbdq", START)
    found = read_jitter(log, "ibohbfb9q", START)
    assert whole.mjd.size - found.mjd.size == 4
    assert np.abs(found.limb_angle).max() < 180


def test_what_is_wrong(log: Path, tmp_path: Path) -> None:
    for unknown in (None, float("nan"), ""):
        with pytest.raises(MissingKeywordError, match="STARTIME"):
            read_jitter(log, "ibohbfb9q", unknown)
    with pytest.raises(BadFileError, match="no table for ibxy01z8q"):
        read_jitter(log, "ibxy01z8q", START)
    changed(log, STARTIME="yesterday")
    with pytest.raises(BadFileError, match="STARTIME"):
        read_jitter(log, "ibohbfb9q", START)
    with fits.open(log) as hdus:
        columns = [c for c in hdus[2].columns if c.name != "LOS_Zenith"]
        table = fits.BinTableHDU.from_columns(columns, header=fits.Header({"EXPNAME": "ibohbfb9j"}))
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "b_jit.fits")
    with pytest.raises(BadFileError, match="no column LOS_Zenith"):
        read_jitter(tmp_path / "b_jit.fits", "ibohbfb9q", START)
    (tmp_path / "c_jit.fits").write_bytes(log.read_bytes()[:9000])
    with pytest.raises(TruncatedFileError):
        read_jitter(tmp_path / "c_jit.fits", "ibohbfb9q", START)


def test_a_bad_file_is_passed_over(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    bad = log.with_name("ibohbfb9j_jit.fits")
    bad.write_bytes(b"<html>503</html>")
    found = find_jitter([log.with_name("none_jit.fits"), bad], "ibohbfb9q")
    assert found is None
    assert "it is not used" in caplog.text
    assert find_jitter([bad, log], "ibohbfb9q", START) is not None


def test_names() -> None:
    assert jitter_names("ibohbfb9q", "IBOHBF040") == ("ibohbf040", "ibohbfb9j")
    assert jitter_names("ibohbfb9q", "NONE") == ("ibohbfb9j",)
    found = beside(Path("iboh/ibohbfb9q/ibohbfb9q_ima.fits"), "IBOHBF040")
    assert Path("iboh/ibohbf040/ibohbf040_jit.fits") in found
    assert Path("iboh/ibohbfb9q/ibohbfb9j_jit.fits") in found


def test_measured_geometry_is_that_of_the_support_file(tmp_path: Path) -> None:
    """The log's angles are those of the orbit elements, which go first; beyond the log nothing is known."""
    one = replace(VISIT, association=None, exposures=(VISIT.exposures[4],))
    made = calibrated(tmp_path, replace(preset("ibohbf040"), visits=(one,)), 64)
    ima = made.path("ibohbfbkq", "ima")
    computed, support = measure(ima), ima.with_name("ibohbfbkq_spt.fits")
    with fits.open(support, mode="update") as hdus:
        hdus[0].header["SEMILREC"] = 0.0  # a placeholder: the telescope would be in the Earth's center
    logged = measure(ima)
    support.unlink()
    without = measure(ima)
    with fits.open(ima.with_name("ibohbfbkj_jit.fits"), mode="update") as hdus:
        hdus[1].data["Seconds"] = hdus[1].data["Seconds"] - 2000
    beyond = measure(ima)
    assert [m.exposure["geometry_source"] for m in (computed, logged, without, beyond)] == ["spt", "jit", "jit", None]
    assert "no_geometry" in beyond.exposure["quality_flags"]
    for a, b in zip(logged.reads, computed.reads, strict=True):
        for name in ("sun_alt", "limb_angle", "los_zenith", "latitude", "longitude", "sun_hour_angle"):
            assert a[name] == pytest.approx(b[name], abs=0.002), name
        assert (a["bright_limb"], a["in_shadow"]) == (b["bright_limb"], b["in_shadow"])
    assert {row["in_shadow"] for row in logged.reads} == {True, False}


def rewritten(path: Path, keyword: str, value: str) -> None:
    """Write another value into the first card of a keyword, in every table."""
    content = path.read_bytes()
    card = f"{keyword:8}= {value:<20}".ljust(80).encode()
    place = -1
    while (place := content.find(f"{keyword:8}=".encode(), place + 1)) >= 0:
        content = content[:place] + card + content[place + 80 :]
    path.write_bytes(content)


DAMAGED = [
    ("TTYPE1", "''"),
    ("TTYPE1", ""),
    ("TTYPE2", "'Seconds'"),
    ("TFORM1", "'X'"),
    ("TFORM1", "'8X'"),
    ("TFORM1", "'999999999A'"),
    ("TFORM1", "'999999999D'"),
    ("TFORM1", "'99999999999999999999E'"),
    ("TFORM1", "'PQ'"),
    ("TFORM1", "''"),
    ("TFORM1", "'Z'"),
    ("TFORM1", "7"),
    ("TFIELDS", "999"),
    ("TFIELDS", "-1"),
    ("NAXIS1", "3"),
    ("NAXIS1", "999999999"),
    ("NAXIS2", "999999999999"),
    ("PCOUNT", "-5"),
    ("BITPIX", "7"),
]


@pytest.mark.parametrize(("keyword", "value"), DAMAGED)
def test_a_damaged_table_leaves_the_geometry_to_the_support_file(
    log: Path, keyword: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """TFORM1 of 999999999A wanted 500 GiB; an empty TTYPE1 ended a folder's survey with a KeyError."""
    rewritten(log, keyword, value)
    tracemalloc.start()
    assert find_jitter([log], "ibohbfb9q", START) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6
    assert "it is not used" in caplog.text


def test_columns_that_are_not_needed_may_be_of_any_format(log: Path) -> None:
    whole = read_jitter(log, "ibohbfb9q", START)
    with fits.open(log) as hdus:
        for i in range(1, len(hdus)):
            more = [
                fits.Column("BITS", "12X", array=np.ones((len(hdus[i].data), 12), bool)),
                fits.Column("COMPLEX", "C", array=np.ones(len(hdus[i].data), np.complex64)),
            ]
            header = fits.Header({"EXPNAME": hdus[i].header["EXPNAME"]})
            hdus[i] = fits.BinTableHDU.from_columns([more[0], *hdus[i].columns, more[1]], header=header)
        hdus.writeto(log.with_name("more_jit.fits"))
    found = read_jitter(log.with_name("more_jit.fits"), "ibohbfb9q", START)
    np.testing.assert_array_equal(found.mjd, whole.mjd)
    np.testing.assert_array_equal(found.latitude, whole.latitude)


@pytest.mark.parametrize(("keyword", "value"), [("TTYPE1", "''"), ("TFORM1", "'X'"), ("TFORM1", "'999999999A'")])
def test_a_survey_of_a_folder_with_a_damaged_log(tmp_path: Path, keyword: str, value: str) -> None:
    one = replace(VISIT, association=None, exposures=(VISIT.exposures[4],))
    ima = calibrated(tmp_path, replace(preset("ibohbf040"), visits=(one,)), 64).path("ibohbfbkq", "ima")
    rewritten(ima.with_name("ibohbfbkj_jit.fits"), keyword, value)
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        report = survey(catalog, Selection(), source=FolderArchive(tmp_path / "hst"))
        assert (report.n_measured, report.n_failed) == (1, 0)
        assert catalog.sql("SELECT geometry_source FROM exposures").fetchall() == [("spt",)]


def test_log_starts_at_expstart_not_at_the_planned_start(tmp_path: Path) -> None:
    """PSTRTIME of the support file is 26 s earlier: the Sun would be off by 1.7 deg."""
    one = replace(VISIT, association=None, exposures=(VISIT.exposures[1],))
    made = calibrated(tmp_path, replace(preset("ibohbf040"), visits=(one,)), 64)
    ima = made.path("ibohbfb9q", "ima")
    support = ima.with_name("ibohbfb9q_spt.fits")
    planned = Time(fits.getval(support, "PSTRTIME").replace(".", ":", 1), format="yday").mjd
    start = fits.getval(ima, "EXPSTART")
    assert (start - planned) * 86400 == pytest.approx(26, abs=1)
    with fits.open(support, mode="update") as hdus:
        del hdus[0].header["SEMILREC"]
    measured = measure(ima)
    assert measured.exposure["geometry_source"] == "jit"
    truth = made.truth("ibohbfb9q")["sun_alt"]
    assert [row["sun_alt"] for row in measured.reads] == pytest.approx(truth, abs=0.02)


def test_real_logs_and_support_files_differ_by_as_much_as_the_documents_say(shared_data: Path, tmp_path: Path) -> None:
    """STARTIME of the JIF is 52 to 249 s after PSTRTIME; longitudes of the logs are off by 0.5 deg."""
    for packed in (shared_data / "geometry").glob("ldfd01*.gz"):
        (tmp_path / packed.name.removesuffix(".gz")).write_bytes(gzip.decompress(packed.read_bytes()))
    largest: dict[str, float] = {}
    for name in ("ldfd01vnq", "ldfd01vpq", "ldfd01vrq", "ldfd01vtq"):
        support = tmp_path / f"{name}_spt.fits"
        found, orbit = read_jitter(tmp_path / "ldfd01010_jit.fits", name), read_orbit(support)
        planned = Time(fits.getval(support, "PSTRTIME").replace(".", ":", 1), format="yday").mjd
        assert 50 < (found.mjd[0] - planned) * 86400 < 250
        logged = jitter_geometry(found, found.mjd, 209.3, -9.5)
        computed = view_geometry(orbit_position(orbit, found.mjd), found.mjd, 209.3, -9.5)
        for column in ("sun_alt", "limb_angle", "latitude", "longitude"):
            off = np.abs(wrap(getattr(logged, column) - getattr(computed, column)))
            largest[column] = max(largest.get(column, 0.0), float(off.max()))
    expected = {"sun_alt": 0.68, "limb_angle": 0.24, "latitude": 0.11, "longitude": 0.57}
    assert largest == pytest.approx(expected, abs=0.02)
