"""Whole visits: layout, truth, determinism, references; stwcs and AstroDrizzle accept them."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.presets import preset
from wfc3tvb.simulate.reference_files import reference_names
from wfc3tvb.simulate.timing import sample_times
from wfc3tvb.simulate.visit import SimulatedVisit, simulate

pytestmark = pytest.mark.slow

CHILD = Path(__file__).parents[1] / "helpers" / "drizzle_child.py"
MEMBERS = ("ibohbfb7q", "ibohbfb9q", "ibohbfbdq", "ibohbfbgq", "ibohbfbkq", "ibohbfbpq")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    return simulate(tmp_path_factory.mktemp("demo"), "demo", products=False)


def sums(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*.*")
        if p.is_file()
    }


def test_layout_is_the_public_buckets(demo: SimulatedVisit) -> None:
    assert demo.associations == {"ibohbf040": MEMBERS}
    assert demo.rootnames == MEMBERS
    for rootname in MEMBERS:
        assert demo.path(rootname, "raw") == demo.folder / f"hst/public/iboh/{rootname}/{rootname}_raw.fits"
        assert demo.path(rootname, "raw").is_file()
        assert demo.path(rootname, "spt").is_file()
        assert (demo.folder / "truth" / f"{rootname}.csv").is_file()
    assert demo.path("ibohbf040", "asn").is_file()


def test_every_reference_that_headers_name_is_there(demo: SimulatedVisit) -> None:
    for rootname in MEMBERS:
        header = fits.getheader(demo.path(rootname, "raw"))
        named = [v.removeprefix("iref$") for v in header.values() if isinstance(v, str) and v.startswith("iref$")]
        assert len(named) == 10
        assert all((demo.references / name).is_file() for name in named)


def test_truth_is_what_the_raw_file_shows(demo: SimulatedVisit) -> None:
    for rootname in ("ibohbfb9q", "ibohbfbgq"):
        truth = demo.truth(rootname)
        with fits.open(demo.path(rootname, "raw")) as hdus:
            last, zeroth = hdus["SCI", 1].data.astype(float), hdus["SCI", 16].data
            assert hdus["SCI", 1].header["SAMPTIME"] == truth["t"][-1]
            difference = last - zeroth
        border = np.ones(difference.shape, bool)
        border[5:-5, 5:-5] = False
        flat = fits.getdata(demo.references / truth["references"]["PFLTFILE"], "SCI")
        dark = fits.getdata(demo.references / truth["references"]["DARKFILE"], ("SCI", 1))
        rate = (difference - difference[border].mean() - dark) / flat * 2.35 / truth["t"][-1]
        assert np.median(rate[~border]) == pytest.approx(truth["mean_rate"], abs=0.02)
    with (demo.folder / "truth" / "ibohbfb9q.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["cumulative_rate"]) == pytest.approx(1.503)
    assert float(rows[-1]["sun_alt"]) == pytest.approx(71.96, abs=0.5)


def test_same_seed_same_bytes(demo: SimulatedVisit, tmp_path: Path) -> None:
    again = simulate(tmp_path / "again", "demo", products=False)
    assert sums(again.folder) == sums(demo.folder)
    other = simulate(tmp_path / "other", "demo", products=False, size=64, seed=3)
    same = simulate(tmp_path / "same", "demo", products=False, size=64)
    assert fits.getdata(other.path("ibohbfb7q", "raw"), 1).shape == (74, 74)
    assert not np.array_equal(*(fits.getdata(v.path("ibohbfb7q", "raw"), 1) for v in (other, same)))


def test_progress_counts_exposures(tmp_path: Path) -> None:
    said: list[tuple[str, int, int | None]] = []

    def progress(stage: str, done: int, total: int | None = None, *, failed: int = 0) -> None:
        said.append((stage, done, total))

    made = simulate(tmp_path, "program", size=64, products=False, progress=progress)
    n = len(made.rootnames)
    assert said[0] == ("simulate", 0, n)
    assert said[-1] == ("simulate", n, n)
    assert made.lone == ("ibpa05a1q",)
    assert {fits.getheader(made.path(r, "raw"))["FILTER"] for r in made.rootnames} == {"F105W", "F110W", "F160W"}
    assert fits.getheader(made.path("ibpa05a1q", "raw"))["ASN_ID"] == "NONE"


def test_wrong_preset_and_size_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    for keywords in ({"preset": "none"}, {"preset": "demo", "size": 100}):
        with pytest.raises(BadArgumentError):
            simulate(tmp_path / "out", **keywords)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_dark_file_has_the_exposures_times(demo: SimulatedVisit) -> None:
    names = reference_names(2013, Frame(256), "F105W", "STEP200")
    with fits.open(demo.references / names["DARKFILE"]) as hdus:
        header = hdus[0].header
        times = [header[f"EXPOS_{i}"] for i in range(1, header["NUMEXPOS"] + 1)]
        assert times[::-1] == pytest.approx(sample_times("STEP200"))
        assert np.median(hdus["SCI", 1].data[5:-5, 5:-5]) == pytest.approx(0.045 * 1599.231 / 2.35, rel=0.02)
        assert hdus["SCI", 16].data.max() == 0


def test_stars_align_after_updatewcs_and_astrodrizzle(demo: SimulatedVisit, tmp_path: Path) -> None:
    run = [sys.executable, str(CHILD), str(demo.folder), str(tmp_path), "ibohbf040"]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:] + done.stdout[-2000:]
    places = json.loads(done.stdout.strip().splitlines()[-1])
    with (demo.folder / "truth" / "ibohbf040_sources.csv").open() as file:
        rows = list(csv.DictReader(file))
    ra, dec, mag, radius = (np.array([float(r[name]) for r in rows]) for name in ("ra", "dec", "mag", "radius"))
    for plan in preset("demo").exposures:
        x, y = plan.pointing.wcs(Frame(256)).all_world2pix(ra, dec, 0)
        near = (x > 0) & (x < 266) & (y > 0) & (y < 266)
        difference = np.array(places[plan.rootname]) + 5 - [x, y]
        assert np.abs(difference[:, near]).max() < 0.005
    with fits.open(tmp_path / "ibohbf040_drz.fits") as hdus:
        image = np.nan_to_num(hdus["SCI"].data)
        x, y = WCS(hdus["SCI"].header).all_world2pix(ra, dec, 0)
    bright = (radius == 0) & (mag < 23.5) & (np.minimum(x, y) > 20)
    bright &= (x < image.shape[1] - 20) & (y < image.shape[0] - 20)
    assert bright.sum() >= 4
    for column, row in zip(x[bright], y[bright], strict=True):
        i, j = round(row), round(column)
        box = np.clip(image[i - 3 : i + 4, j - 3 : j + 4] - np.median(image) - 0.1, 0, None)
        dy, dx = np.indices(box.shape) - 3
        assert (box * dx).sum() / box.sum() + j - column == pytest.approx(0, abs=0.2)
        assert (box * dy).sum() / box.sum() + i - row == pytest.approx(0, abs=0.2)
