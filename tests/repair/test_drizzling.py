"""The native steps of drizzling against AstroDrizzle itself: the same pixels, headers and flags."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from wfc3tvb.errors import DrizzleError
from wfc3tvb.repair.astrodrizzle import Drizzled, DrizzleProcess, DrizzleSettings, drizzle
from wfc3tvb.simulate.visit import SimulatedVisit, simulate

pytestmark = pytest.mark.slow

#: Keywords that name the time of writing, and the log.
_DIFFER = ["DATE", "DRIZPARS"]


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    return simulate(tmp_path_factory.mktemp("visit"), "ibohbf040", size=128)


@pytest.fixture(scope="module")
def process() -> Iterator[DrizzleProcess]:
    with DrizzleProcess() as started:
        yield started


def drizzled(visit: SimulatedVisit, process: DrizzleProcess, folder: Path, n: int, **options: Any) -> Drizzled:
    """Drizzle copies of the first exposures of the visit."""
    folder.mkdir()
    flts = [Path(shutil.copy(path, folder)) for path in sorted(visit.folder.glob("hst/public/*/*/*_flt.fits"))[:n]]
    settings = DrizzleSettings(parameters=options.pop("parameters", {}), by=options.pop("by"))
    return drizzle(process, flts, "ibohbf040", iref=visit.references, settings=settings, **options)


@pytest.mark.parametrize(
    ("n", "options"),
    [
        (6, {}),
        (6, {"weights": [25.0, 1.0, 4.0, 9.0, 2.0, 3.0]}),
        (3, {"parameters": {"final_pixfrac": 0.8, "driz_sep_pixfrac": 0.7, "final_wht_type": "ERR"}}),
        (2, {"parameters": {"driz_cr_grow": 3, "final_kernel": "turbo", "driz_sep_kernel": "square"}}),
        (1, {}),
    ],
    ids=["median", "inverse variance", "minmed", "other kernels", "single"],
)
def test_the_native_steps_give_the_files_of_astrodrizzle(
    visit: SimulatedVisit, process: DrizzleProcess, tmp_path: Path, n: int, options: dict[str, Any]
) -> None:
    made = {by: drizzled(visit, process, tmp_path / by, n, by=by, **options) for by in ("native", "astrodrizzle")}
    assert {by: each.by for by, each in made.items()} == {"native": "native", "astrodrizzle": "astrodrizzle"}
    files = sorted(path.name for path in (tmp_path / "astrodrizzle").glob("*_*.fits"))
    assert len([name for name in files if not name.endswith("_ivm.fits")]) == n + 1
    for name in files:
        found = fits.FITSDiff(
            str(tmp_path / "native" / name), str(tmp_path / "astrodrizzle" / name), ignore_keywords=_DIFFER
        )
        assert found.identical, found.report()
    with fits.open(tmp_path / "native" / "ibohbf040_drz.fits") as hdus:
        assert hdus[0].header["NDRIZIM"] == n
        assert np.bitwise_or.reduce(hdus["CTX"].data, axis=None) == 2**n - 1
    rejected = fits.getdata(tmp_path / "native" / files[1], "DQ") & 4096
    assert bool(np.any(rejected)) == (n > 1)


def test_auto_takes_the_native_steps(visit: SimulatedVisit, process: DrizzleProcess, tmp_path: Path) -> None:
    made = drizzled(visit, process, tmp_path / "auto", 2, by="auto")
    assert made.by == "native"
    assert "DefaultWCSMapping" not in made.log.read_text()


def test_parameters_that_need_astrodrizzle_are_left_to_it(
    visit: SimulatedVisit, process: DrizzleProcess, tmp_path: Path
) -> None:
    made = drizzled(visit, process, tmp_path / "auto", 2, by="auto", parameters={"final_scale": 0.1})
    assert made.by == "astrodrizzle"
    assert "the native steps do not support: final_wcs" in made.log.read_text()


def test_native_says_which_parameter_it_does_not_support(
    visit: SimulatedVisit, process: DrizzleProcess, tmp_path: Path
) -> None:
    with pytest.raises(DrizzleError, match="final_kernel"):
        drizzled(visit, process, tmp_path / "native", 2, by="native", parameters={"final_kernel": "point"})


class OneUnread(DrizzleProcess):
    """A process that drizzles all exposures but the second, as AstroDrizzle does where it cannot read one."""

    def run(self, job: Mapping[str, Any], folder: Path, name: str, timeout: float) -> dict[str, Any]:
        """Run a job with fewer inputs."""
        names = [each for each in job["inputs"] if each != sorted(job["files"])[1]]
        return super().run({**job, "inputs": names}, folder, name, timeout)


def test_an_exposure_that_could_not_be_read_is_an_error(visit: SimulatedVisit, tmp_path: Path) -> None:
    with OneUnread() as process, pytest.raises(DrizzleError, match=r"could not read \w{9}_flt\.fits$"):
        drizzled(visit, process, tmp_path / "unread", 3, by="auto")
