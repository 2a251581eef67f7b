"""500 damaged files: each becomes a row of failures that names it, and the run completes."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.small_archive import ima, primary_header
from wfc3tvb.archive.local_folder import FolderArchive
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.verify import verify
from wfc3tvb.config import MeasureSettings, Selection
from wfc3tvb.survey.survey import survey

pytestmark = pytest.mark.slow

N, SIZE, NSAMP = 500, 32, 4


def broken(truth: bytes, kind: int, rng: np.random.Generator) -> bytes:
    """Return a file with something wrong that no reader may overlook."""
    starts = [i for i in range(0, len(truth), 2880) if truth[i : i + 8] in (b"SIMPLE  ", b"XTENSION")]
    sci = starts[1 + 5 * int(rng.integers(0, NSAMP - 1))]
    match kind % 16:
        case 0:  # cut short
            return truth[: int(rng.integers(1, len(truth) - 5 * 2880))]
        case 1:  # no FITS at all
            return rng.bytes(int(rng.integers(0, 50_000)))
        case 2:  # axes that are not there
            return card(truth, sci, rng.choice(["NAXIS1", "NAXIS2"]), rng.choice(["99999999", "-5", "0", "2000000000"]))
        case 3:  # a read is missing
            return truth[: starts[6]] + truth[starts[11] :]
        case 4:  # headers without end
            return truth[: starts[1]].replace(b"END     ", b"ENDLESS ") + b"COMMENT".ljust(80) * 20_000
        case 5:  # another number of reads than stated
            return card(truth, 0, "NSAMP", rng.choice(["0", "17", "99999", "-1", "9"]))
        case 6:  # another instrument
            return card(truth, 0, rng.choice(["INSTRUME", "DETECTOR"]), "'ACS'")
        case 7:  # integers where there should be floats
            return card(truth, sci, "BITPIX", rng.choice(["16", "8", "64"]))
        case 8:  # the name of another exposure
            return card(truth, 0, "ROOTNAME", "'ibohbfb9q'")
        case 9:  # a read is there twice
            return truth[: starts[6]] + truth[starts[1] :]
        case 10:  # planes that are no images
            return card(truth, sci, rng.choice(["NAXIS", "PCOUNT", "GCOUNT"]), rng.choice(["3", "999", "1000000"]))
        case 11:  # no date, or none of WFC3
            return card(truth, 0, "EXPSTART", rng.choice(["'never'", "1E308", "-1.0", "51544.0"]))
        case 12:  # time stands still
            return card(truth, sci, "SAMPTIME", rng.choice(["0.0", "-5.0", "1E400"]))
        case 13:  # pixels that are no numbers
            return plane(truth, sci, rng.choice([b"\x7f\xc0\0\0", b"\x7f\x80\0\0", b"\xff\xff\xff\xff"]))
        case 14:  # units or a filter that are none
            lies = (0, "FILTER", "'F999W'"), (sci, "BUNIT", "'JY'"), (0, "FILTER", "'F105\xe9'")
            return card(truth, *lies[rng.integers(3)])
        case _:  # a header as long as a file, with its end
            return truth[: starts[1] - 2880] + b"COMMENT".ljust(80) * 36 * 401 + truth[starts[1] - 2880 :]


def plane(data: bytes, start: int, value: bytes) -> bytes:
    """Return the file with one value in all pixels of the plane whose header starts at `start`."""
    at = -(-(data.index(b"END     ", start) + 80) // 2880) * 2880
    return data[:at] + value * SIZE**2 + data[at + 4 * SIZE**2 :]


def card(data: bytes, start: int, keyword: str, value: str) -> bytes:
    """Return the file with another value in a card of the header that starts at `start`."""
    at = data.index(f"{keyword:<8}= ".encode(), start)
    return data[:at] + f"{keyword:<8}= {value:>20}".ljust(80).encode("latin-1") + data[at + 80 :]


def test_500_mutated_files_are_500_rows_of_failures(tmp_path: Path) -> None:
    folder, rng = tmp_path / "files", np.random.default_rng(3)
    folder.mkdir()
    names = [f"im{i:04d}01q" for i in range(N + 1)]
    ima(primary_header(names[N], None, 55800.0, NSAMP, SIZE), SIZE, NSAMP, sky=0.5).writeto(tmp_path / "truth.fits")
    truth = (tmp_path / "truth.fits").read_bytes()
    for i, root in enumerate(names):
        data = truth.replace(names[N].encode(), root.encode())
        (folder / f"{root}_ima.fits").write_bytes(broken(data, i, rng) if i < N else data)
    settings = MeasureSettings(min_reads=2)
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        report = survey(catalog, Selection(filters=("all",)), source=FolderArchive(folder), settings=settings)
        assert (report.n_measured, report.n_failed) == (1, N)
        rows = catalog.sql("SELECT key, stage, message, retryable FROM failures").fetchall()
        assert all(result.passed for result in verify(catalog))
    assert sorted(key for key, *_ in rows) == names[:N]
    assert {(stage, retryable) for _, stage, _, retryable in rows} == {("read", False)}
    assert all(f"{key}_ima.fits: " in message and "\n" not in message for key, _, message, _ in rows)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3e6


def test_a_read_without_a_usable_pixel_is_flagged(tmp_path: Path) -> None:
    path = tmp_path / "ibohbfb9q_ima.fits"
    hdus = ima(primary_header("ibohbfb9q", None, 55800.0, NSAMP, SIZE), SIZE, NSAMP, sky=0.5)
    hdus["DQ", 2].data[:] = 4
    hdus.writeto(path)
    with open_catalog(tmp_path / "catalog", mode="a") as catalog:
        survey(catalog, Selection(), source=FolderArchive(tmp_path), settings=MeasureSettings(min_reads=2))
        ((flags,),) = catalog.sql("SELECT quality_flags FROM exposures").fetchall()
    assert "bad_reads" in flags
