"""`calibrate` from bad input: one line that names the file and the remedy, and nothing half written."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

from tests.helpers import golden
from wfc3tvb.cli import main
from wfc3tvb.engines import calwf3
from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.errors import (
    BadFileError,
    CalibrationError,
    EngineMissingError,
    MissingKeywordError,
    MissingReferenceError,
    NotFitsError,
    OutputExistsError,
    TruncatedFileError,
    TvbError,
    UnsuitableReferenceError,
    WrongInstrumentError,
)

_CASE = "17_spars100_64_n2_edge"


@pytest.fixture
def iref(tmp_path: Path) -> Path:
    golden.unpack(golden.HERE / "iref", tmp_path / "iref")
    return tmp_path / "iref"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    golden.unpack(golden.HERE / _CASE, tmp_path)
    (path,) = tmp_path.glob("*_raw.fits")
    return path


def refused(kind: type[TvbError], raw: Path, iref: Path | None, *words: str) -> None:
    """Check that a RAW file is refused in one line with these words, and that nothing is left."""
    before = sorted(raw.parent.iterdir())
    with pytest.raises(kind) as caught:
        calibrate(raw, engine="native", iref=iref)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert sorted(raw.parent.iterdir()) == before


def edited(path: Path, edit: Callable[[fits.HDUList], object]) -> None:
    with fits.open(path, mode="update", memmap=False) as hdus:
        edit(hdus)


def test_truncated(raw: Path, iref: Path) -> None:
    raw.write_bytes(raw.read_bytes()[:-20000])
    refused(TruncatedFileError, raw, iref, raw.name, "check the copy")


def test_truncated_to_the_middle_of_a_header(raw: Path, iref: Path) -> None:
    raw.write_bytes(raw.read_bytes()[: 2880 * 12 + 100])
    refused(BadFileError, raw, iref, raw.name, "check the copy")


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>" * 200])
def test_not_fits(raw: Path, iref: Path, content: bytes) -> None:
    raw.write_bytes(content)
    refused(NotFitsError, raw, iref, raw.name, "is not a FITS file")


def test_absent(raw: Path, iref: Path) -> None:
    refused(BadFileError, raw.with_name("iaaa01aaq_raw.fits"), iref, "there is no such file")


def test_uvis(raw: Path, iref: Path) -> None:
    fits.setval(raw, "DETECTOR", value="UVIS")
    refused(WrongInstrumentError, raw, iref, raw.name, "UVIS")


@pytest.mark.parametrize("keyword", ["EXPTIME", "SAMP_SEQ", "NSAMP", "CCDGAIN", "ROOTNAME"])
def test_missing_keyword(raw: Path, iref: Path, keyword: str) -> None:
    fits.delval(raw, keyword)
    refused(MissingKeywordError, raw, iref, raw.name, keyword)


def test_missing_samptime(raw: Path, iref: Path) -> None:
    edited(raw, lambda hdus: hdus["SCI", 2].header.remove("SAMPTIME"))
    refused(MissingKeywordError, raw, iref, raw.name, "SAMPTIME")


def test_one_read(raw: Path, iref: Path) -> None:
    fits.setval(raw, "NSAMP", value=1)
    refused(BadFileError, raw, iref, "NSAMP 1")


def test_more_reads_than_there_are(raw: Path, iref: Path) -> None:
    fits.setval(raw, "NSAMP", value=5)
    refused(BadFileError, raw, iref, "NSAMP is 5")


def test_unknown_switch(raw: Path, iref: Path) -> None:
    fits.setval(raw, "DARKCORR", value="MAYBE")
    refused(BadFileError, raw, iref, "DARKCORR", "PERFORM or OMIT")


def test_compressed(raw: Path, iref: Path) -> None:
    packed = raw.with_name(raw.name + ".gz")
    packed.write_bytes(gzip.compress(raw.read_bytes()))
    refused(BadFileError, packed, iref, packed.name, "unpack it")


def test_iref_not_set(raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("iref", raising=False)
    refused(MissingReferenceError, raw, None, "iref is not set", "folder of the reference files")


def test_iref_in_the_environment(raw: Path, iref: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (str(iref), f"{iref}/"):
        monkeypatch.setenv("iref", name)
        assert calibrate(raw, engine="native", overwrite=True)[0].flt.is_file()


def test_missing_reference(raw: Path, iref: Path) -> None:
    (iref / "s20100spars10064i_drk.fits").unlink()
    refused(MissingReferenceError, raw, iref, "DARKFILE", "s20100spars10064i_drk.fits", "crds bestrefs")


def test_broken_reference(raw: Path, iref: Path) -> None:
    (iref / "s20100spars10064i_drk.fits").write_bytes(b"no")
    refused(MissingReferenceError, raw, iref, "DARKFILE", "is not a FITS file")


def test_dark_of_another_sequence(raw: Path, iref: Path) -> None:
    fits.setval(iref / "s20100spars10064i_drk.fits", "SAMP_SEQ", value="STEP200")
    refused(UnsuitableReferenceError, raw, iref, "DARKFILE", "SAMP_SEQ", "STEP200", "SPARS100")


def test_dark_of_another_shape(raw: Path, iref: Path) -> None:
    def cut(hdus: fits.HDUList) -> None:
        for hdu in hdus[1:]:
            if hdu.name == "SCI":
                hdu.data = np.zeros((60, 60), np.float32)

    edited(iref / "s20100spars10064i_drk.fits", cut)
    refused(UnsuitableReferenceError, raw, iref, "DARKFILE", "60 x 60")


def test_dummy_ccdtab(raw: Path, iref: Path) -> None:
    fits.setval(iref / "s20100c1i_ccd.fits", "PEDIGREE", value="DUMMY 01/01/2009")
    refused(UnsuitableReferenceError, raw, iref, "CCDTAB", "dummy")


def test_dummy_dark_skips_the_step(raw: Path, iref: Path) -> None:
    fits.setval(iref / "s20100spars10064i_drk.fits", "PEDIGREE", value="DUMMY 01/01/2009")
    (made,) = calibrate(raw, engine="native", iref=iref)
    assert fits.getval(made.flt, "DARKCORR") == "SKIPPED"


def test_filter_without_photometry_warns(raw: Path, iref: Path) -> None:
    fits.setval(raw, "FILTER", value="F999W")
    fits.setval(iref / "s20100105w64i_pfl.fits", "FILTER", value="ANY")
    (made,) = calibrate(raw, engine="native", iref=iref)
    assert "F999W" in made.warnings[0]
    assert fits.getval(made.flt, "PHOTFLAM") == 0


def test_hits_in_the_input_warn(tmp_path: Path, iref: Path) -> None:
    golden.unpack(golden.HERE / "09_spars100_64_n4_rise", tmp_path)
    (raw,) = tmp_path.glob("*_raw.fits")
    (made,) = calibrate(raw, engine="native", iref=iref, crcorr="omit")
    assert made.ima is not None
    assert made.warnings == ()

    def flag(hdus: fits.HDUList) -> None:
        for k in (1, 2):
            hdus["DQ", k].data[20, 30:32] |= 8192

    edited(made.ima, flag)
    (again,) = calibrate(made.ima, engine="native", iref=iref, crcorr="perform")
    assert [text[:31] for text in again.warnings] == ["2 pixels have 2 or more reads f"]


def test_hits_of_the_zeroth_read_count_in_all_reads(tmp_path: Path, iref: Path) -> None:
    golden.unpack(golden.HERE / "09_spars100_64_n4_rise", tmp_path)
    (raw,) = tmp_path.glob("*_raw.fits")

    def flag(hdus: fits.HDUList) -> None:
        flags = np.zeros((74, 74), np.int16)
        flags[20, 30:33] = 8192
        hdus["DQ", 4] = fits.ImageHDU(flags, hdus["DQ", 4].header, name="DQ", ver=4)

    edited(raw, flag)
    (made,) = calibrate(raw, engine="native", iref=iref)
    assert [text[:31] for text in made.warnings] == ["3 pixels have 2 or more reads f"]


def test_read_without_time_warns(raw: Path, iref: Path) -> None:
    edited(raw, lambda hdus: hdus["TIME", 1].header.__setitem__("PIXVALUE", 0.0))
    (made,) = calibrate(raw, engine="native", iref=iref)
    assert "TIME 0" in made.warnings[0]


def test_quadrants_that_meet_outside_of_the_frame_warn(raw: Path, iref: Path) -> None:
    edited(iref / "s20100c1i_ccd.fits", lambda hdus: hdus[1].data["AMPX"].__setitem__(slice(None), 900))
    (made,) = calibrate(raw, engine="native", iref=iref)
    assert "the quadrants meet at x 425, y 37, outside the frame" in made.warnings[0]


def test_reference_columns_in_the_light_are_refused(raw: Path, iref: Path) -> None:
    edited(iref / "s20100o1i_osc.fits", lambda hdus: hdus[1].data["BIASSECTA2"].__setitem__(slice(None), 6))
    refused(UnsuitableReferenceError, raw, iref, "OSCNTAB", "light-sensitive")


def test_binned_frame_is_refused(raw: Path, iref: Path) -> None:
    edited(raw, lambda hdus: hdus["SCI", 1].header.__setitem__("LTV1", -470.5))
    refused(BadFileError, raw, iref, "LTV1", "-470.5")
    edited(raw, lambda hdus: hdus["SCI", 1].header.update(LTV1=-470.0, BINAXIS1=2))
    refused(BadFileError, raw, iref, "BINAXIS1 2")


def test_negative_exposure_time_is_refused(raw: Path, iref: Path) -> None:
    edited(raw, lambda hdus: hdus[0].header.__setitem__("EXPTIME", -1.0))
    refused(BadFileError, raw, iref, "EXPTIME -1")


def test_existing_product_stays(raw: Path, iref: Path) -> None:
    flt = Path(str(raw).replace("_raw", "_flt"))
    flt.write_bytes(b"mine")
    refused(OutputExistsError, raw, iref, flt.name)
    assert flt.read_bytes() == b"mine"
    calibrate(raw, engine="native", iref=iref, overwrite=True)
    assert flt.stat().st_size > 2880


def test_failed_run_keeps_the_old_product(raw: Path, iref: Path) -> None:
    flt = Path(str(raw).replace("_raw", "_flt"))
    flt.write_bytes(b"mine")
    (iref / "s20100spars10064i_drk.fits").unlink()
    with pytest.raises(MissingReferenceError):
        calibrate(raw, engine="native", iref=iref, overwrite=True)
    assert flt.read_bytes() == b"mine"


def test_no_ima(raw: Path, iref: Path) -> None:
    (made,) = calibrate(raw, engine="native", iref=iref, write_ima=False)
    assert made.ima is None
    assert not list(raw.parent.glob("*_ima.fits"))


def test_folder_that_cannot_be_written(raw: Path, iref: Path, tmp_path: Path) -> None:
    folder = tmp_path / "file"
    folder.write_text("not a folder")
    with pytest.raises(BadFileError, match="file"):
        calibrate(raw, engine="native", iref=iref, outdir=folder)


def test_association_member_by_member(raw: Path, iref: Path) -> None:
    name = raw.name[:9].upper()
    rows = [(name, "EXP-DTH", True), ("IABSENT1Q", "EXP-DTH", True), ("IGOLD0011", "PROD-DTH", False)]
    asn = raw.with_name("igold0010_asn.fits")
    Table(rows=rows, names=("MEMNAME", "MEMTYPE", "MEMPRSNT")).write(asn)
    before = asn.read_bytes()
    (made,) = calibrate(asn, engine="native", iref=iref)
    assert made.rootname == raw.name[:9]
    assert asn.read_bytes() == before


def test_calwf3_absent(raw: Path, iref: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineMissingError, match=r"calwf3"):
        calibrate(raw, engine="calwf3", iref=iref)
    assert calibrate(raw, engine="auto", iref=iref)[0].engine == "native"


@pytest.mark.parametrize(("engine", "runs_calwf3"), [("auto", False), ("native", False), ("calwf3", True)])
def test_calwf3_runs_only_by_name(
    engine: str, runs_calwf3: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path / "bin", "raise SystemExit(1)", monkeypatch)
    assert calwf3.chosen(engine) is runs_calwf3


def program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program named calwf3.e in front of the PATH."""
    folder.mkdir()
    path = folder / "calwf3.e"
    path.write_text(f"#!{sys.executable}\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("import os; os.kill(os.getpid(), 9)", "it printed nothing"),
        ("import sys; print('DARKFILE is not there'); sys.exit(115)", "DARKFILE is not there"),
        ("pass", "ended without an FLT: it printed nothing"),
        ("open('igold171q_flt.fits', 'w').write('half')", "left an FLT that cannot be read"),
        (
            "import shutil; [shutil.copy('igold171q_raw.fits', f'igold171q_{p}.fits') for p in ('flt', 'ima')]",
            "left an FLT that is not calibrated",
        ),
    ],
)
def test_calwf3_that_fails(
    raw: Path, iref: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, word: str
) -> None:
    program(tmp_path / "bin", text, monkeypatch)
    trailer = tmp_path / "igold171q.tra"
    trailer.write_text("ERROR: an old one\n")
    with pytest.raises(CalibrationError, match=word):
        calibrate(raw, engine="calwf3", iref=iref)
    assert not list(tmp_path.glob("*_flt.fits"))
    assert "old" not in trailer.read_text()


def test_calwf3_that_works(raw: Path, iref: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (
        "import sys; from wfc3tvb.engines.calibrate import calibrate\n"
        "print('3.7.3') if '--version' in sys.argv else calibrate(sys.argv[1], engine='native')"
    )
    program(tmp_path / "bin", text, monkeypatch)
    (made,) = calibrate(raw, engine="calwf3", crcorr="omit", iref=iref)
    assert (made.engine, made.engine_version, made.crcorr) == ("calwf3", "3.7.3", "OMIT")
    assert made.ima is not None
    assert made.ima.is_file()


def test_exit_status(raw: Path, iref: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("iref", str(iref))
    command = [sys.executable, "-m", "wfc3tvb", "calibrate", str(raw), "--engine", "native"]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert raw.name[:9] in again.stderr
    assert "Traceback" not in again.stderr
    shutil.rmtree(iref)


def test_the_folder_of_an_option_goes_before_the_environments(
    raw: Path, iref: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("iref", str(tmp_path / "none"))
    answer = CliRunner().invoke(main, ["calibrate", str(raw), "--engine", "native", "--iref", str(iref), "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)[0]["rootname"] == raw.name[:9]


def test_absent_members_are_named_and_the_others_made(raw: Path, iref: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("iref", str(iref))
    names = [raw.name[:9].upper(), "IAAA01AAQ", "IAAA01ABQ"]
    broken = raw.with_name("iaaa01aaq_raw.fits")
    broken.write_bytes(raw.read_bytes()[:-20000])
    rows = Table({"MEMNAME": names[::-1], "MEMTYPE": ["EXP-DTH"] * 3, "MEMPRSNT": [True] * 3})
    asn = raw.with_name("iaaa01010_asn.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.table_to_hdu(rows)]).writeto(asn)
    command = [sys.executable, "-m", "wfc3tvb", "calibrate", str(asn), "--engine", "native"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "iaaa01abq_raw.fits is not in the same folder and is left out" in done.stderr
    assert "iaaa01aaq_raw.fits: ends before its data do" in done.stderr
    assert done.stdout.startswith(raw.name[:9])
    assert raw.with_name(raw.name.replace("_raw", "_flt")).is_file()


def test_an_error_of_a_reference_names_the_exposure(raw: Path, iref: Path) -> None:
    (iref / "s20100spars10064i_drk.fits").unlink()
    refused(MissingReferenceError, raw, iref, f"{raw.name}: DARKFILE")


def test_planes_that_change_over_the_frame(tmp_path: Path, iref: Path) -> None:
    golden.unpack(golden.HERE / "09_spars100_64_n4_rise", tmp_path)
    (raw,) = tmp_path.glob("*_raw.fits")
    with fits.open(raw, memmap=False) as hdus:
        planes = [hdu.copy() for hdu in hdus]
    shape = planes[1].data.shape
    samp = np.full(shape, 3, np.int16)
    samp[:, 40:] = 2
    for k, hdu in enumerate(planes):
        if (hdu.name, hdu.ver) == ("SAMP", 1):
            planes[k] = fits.ImageHDU(samp, name="SAMP", ver=1)
    fits.HDUList(planes).writeto(raw, overwrite=True)
    (made,) = calibrate(raw, engine="native", iref=iref, crcorr="omit")
    np.testing.assert_array_equal(fits.getdata(made.flt, "SAMP"), samp[5:-5, 5:-5])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_the_program_it_runs_and_leaves_nothing(
    raw: Path, iref: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    started = tmp_path / "started"
    text = (
        f"import os, pathlib, time; started = pathlib.Path({str(started)!r})\n"
        "part = started.with_suffix('.part'); part.write_text(str(os.getpid())); part.rename(started); time.sleep(600)"
    )
    program(tmp_path / "bin", text, monkeypatch)
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-m", "wfc3tvb", "calibrate", str(raw), "--engine", "calwf3", "--iref", str(iref)]

    def signals() -> None:
        """Ignore Ctrl-C, as a shell's script does for programs in the background, unless it is sent."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(number, signal.SIG_DFL)

    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=signals)  # noqa: PLW1509
    while not started.exists():
        assert running.poll() is None
        time.sleep(0.05)
    child = int(started.read_text())
    started.unlink()
    running.send_signal(number)
    _, said = running.communicate(timeout=60)
    assert (running.returncode, said) == (130, "interrupted\n")
    assert sorted(tmp_path.iterdir()) == before
    for _ in range(100):  # until its new parent has seen it end
        try:
            os.kill(child, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    pytest.fail("the program is still running")


def test_reads_of_different_places_are_refused(raw: Path, iref: Path) -> None:
    edited(raw, lambda hdus: hdus["SCI", 2].header.set("LTV1", hdus["SCI", 1].header["LTV1"] + 1))
    refused(BadFileError, raw, iref, "has reads with different LTV1, LTV2")
