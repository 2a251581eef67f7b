"""Fixtures that every room's tests share."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import recorded
from tests.helpers.crds_children import crds_children
from tests.helpers.kept_processes import kept_processes
from tests.helpers.order import costly_first
from tests.helpers.small_archive import as_new
from wfc3tvb.loopback import Archive, serve

#: Set by the runner of several test processes; tables would be as narrow as its terminal.
os.environ.pop("COLUMNS", None)


def pytest_configure(config: pytest.Config) -> None:
    """Let the test processes keep to our order of files."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put costly files first where several processes share the tests."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        costly_first(items)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of test data too large for the repository; skips where it is absent.

    Everything else that a test needs is in tests/data (see its README).
    """
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("WFC3TVB_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"too large for the repository and not in {folder}; set WFC3TVB_SHARED to the folder that has it")
    return folder


@pytest.fixture(scope="session", autouse=True)
def _kept_processes() -> Iterator[None]:
    """Keep the drizzling processes of a test process, and fork those of CRDS."""
    with kept_processes(), crds_children():
        yield


@pytest.fixture(scope="session")
def real_images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the two real exposures of tests/data; not to be changed."""
    folder = tmp_path_factory.mktemp("real")
    for name in recorded.REAL:
        recorded.unpack(f"ima/{name}_ima.fits", folder)
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the demo, run once by the command line, as a user does; the test processes share it and only read."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    folder, finished = shared / "demo-of-all" / "demo", shared / "demo-of-all" / "finished"
    finished.parent.mkdir(exist_ok=True)
    with (finished.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            command = [sys.executable, "-m", "wfc3tvb", "demo", str(folder)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr[-3000:]
            assert "The whole chain took" in done.stdout
            finished.touch()
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Archive]:
    """Loopback archive over the module's fixture `folder`."""
    with serve(folder) as archive:
        yield archive


@pytest.fixture
def archive(running: Archive) -> Archive:
    """The module's loopback archive without faults and with an empty log."""
    return as_new(running)
