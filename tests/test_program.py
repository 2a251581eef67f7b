"""The program in surroundings that it did not choose: a notebook's, another encoding's, an unknown user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def _run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in ("LANG", "LC_ALL")}
    command = [sys.executable, "-m", "wfc3tvb", *arguments]
    return subprocess.run(command, env=environment | variables, capture_output=True, timeout=120, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_output_that_is_not_utf_8(tmp_path: Path, encoding: str) -> None:
    sql = "SELECT 'Ω→é' AS \"αé\""
    made = "from wfc3tvb import open_catalog; open_catalog('catalog', mode='a')"
    subprocess.run([sys.executable, "-c", made], cwd=tmp_path, check=True)
    done = _run("sql", sql, "--catalog", str(tmp_path / "catalog"), PYTHONIOENCODING=encoding)
    assert done.returncode == 0, done.stderr.decode()
    expected = "Ω→é".encode(encoding, "backslashreplace").decode(encoding)
    assert done.stdout.decode(encoding).split()[-1] == expected
    failed = _run("show", "ξ", "--catalog", str(tmp_path / "catalog"), PYTHONIOENCODING=encoding)
    assert failed.returncode == 2
    assert failed.stderr.count(b"\n") == 1


def test_a_backend_of_plots_that_does_not_exist() -> None:
    code = "import wfc3tvb.__main__ as m; m._prepare(); import matplotlib; print(matplotlib.get_backend())"
    environment = os.environ | {"MPLBACKEND": "of-a-notebook"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip().lower() == "agg", done.stderr


def test_a_user_without_a_home(tmp_path: Path) -> None:
    done = _run("doctor", HOME=str(tmp_path / "nowhere"), TMPDIR=str(tmp_path), CRDS_PATH="")
    assert b"Traceback" not in done.stderr
    assert f"{tmp_path}/wfc3tvb-home-{os.getuid()}/crds_cache".encode() in done.stdout
