"""The command line: output for people and programs, exit codes, one clear line for every error."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.helpers import known
from wfc3tvb.catalog.catalog import open_catalog
from wfc3tvb.catalog.run_log import recorded_run
from wfc3tvb.cli import main, survey
from wfc3tvb.errors import CatalogError


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "catalog"
    known.make(folder).close()
    return folder


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(main, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_every_command_has_help_with_an_example() -> None:
    for name in main.commands:
        text = run(name, "--help")
        assert text.exit_code == 0
        assert "Example:\n    wfc3tvb " in text.output or "Example:\n    iref=" in text.output, name


def test_sql_prints_a_table_json_and_csv(catalog: Path) -> None:
    text = "SELECT rootname, sky_mean FROM exposures ORDER BY rootname"
    assert "ibohbfb9q" in run("sql", text, "--catalog", catalog).output
    rows = json.loads(run("sql", text, "--json", "--catalog", catalog).stdout)
    assert rows == [
        {"rootname": "ibohbfb7q", "sky_mean": 0.47},
        {"rootname": "ibohbfb9q", "sky_mean": 1.5},
        {"rootname": "ibohbfbdq", "sky_mean": None},
    ]
    csv = run("sql", text, "--format", "csv", "--catalog", catalog).stdout.splitlines()
    assert csv[1] == "ibohbfb7q,0.47"


def test_sql_writes_the_format_of_the_ending(catalog: Path, tmp_path: Path) -> None:
    out = tmp_path / "x.parquet"
    assert run("sql", "FROM exposures", "--output", out, "--catalog", catalog).exit_code == 0
    assert out.read_bytes()[:4] == b"PAR1"
    answer = run("sql", "FROM exposures", "--output", tmp_path / "x.doc", "--catalog", catalog)
    assert answer.exit_code == 2
    assert "ending" in answer.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sql", "SELEC 1"], "syntax error"),
        (["sql", "DROP TABLE exposures"], "not allowed"),
        (["query", "worst_visit"], "did you mean worst_visits"),
        (["query", "my_visit"], "its parameters: visit (give them as --param NAME=VALUE)"),
        (["show", "ibzzzz010"], "ibzzzz010 is not known"),
    ],
)
def test_wrong_questions_get_one_line_and_exit_2(catalog: Path, arguments: list[str], words: str) -> None:
    answer = run(*arguments, "--catalog", catalog)
    assert answer.exit_code == 2
    assert words in answer.output
    assert "Traceback" not in answer.output


def test_no_catalog_yet(tmp_path: Path) -> None:
    for command in (["sql", "SELECT 1"], ["show", "ibohbf040"], ["rescore"], ["report", tmp_path / "r"], ["verify"]):
        answer = run(*command, "--catalog", tmp_path / "none")
        assert answer.exit_code == 2
        assert "create one with: wfc3tvb survey" in answer.output
    assert not (tmp_path / "none").exists()


def test_show_gives_the_verdict_and_the_next_command(catalog: Path) -> None:
    one = run("show", "IBOHBFB9Q", "--catalog", catalog).output
    assert "severe, helium" in one
    assert "96.0 % of the blank-sky pixels" in one
    assert "reprocess --id ibohbf040" in one
    visit = run("show", "ibohbf", "--catalog", catalog).output
    assert visit.index("ibohbfb7q") < visit.index("ibohbfb9q")
    found = json.loads(run("show", "ibohbf040", "--json", "--catalog", catalog).stdout)
    assert [len(one["reads"]) for one in found] == [2, 2, 2]
    assert [one["repairs"] for one in found] == [[], [], []]


def test_measure_goes_on_after_a_bad_file(tmp_path: Path) -> None:
    bad = tmp_path / "ibohbfb9q_ima.fits"
    bad.write_text("no FITS")
    answer = run("measure", bad, tmp_path / "absent_ima.fits")
    assert answer.exit_code == 2
    assert answer.output.count("wfc3tvb: ") == 2


@pytest.mark.parametrize(
    ("place", "words"),
    [("x.doc", "must end in one of .png, .pdf, .svg"), ("x", "must end in one of"), ("no/x.png", "no folder")],
)
def test_a_picture_that_cannot_be_is_refused_before_measuring(place: str, words: str, tmp_path: Path) -> None:
    answer = run("measure", tmp_path / "absent_ima.fits", "--plot", tmp_path / place)
    assert answer.exit_code == 2
    assert words in answer.output
    assert "absent_ima.fits" not in answer.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("command", "words"), [("measure", "give its files, or survey it (--source)"), ("calibrate", "give the _raw.fits")]
)
def test_a_folder_given_as_a_file_is_named_one(command: str, words: str, tmp_path: Path) -> None:
    answer = run(command, tmp_path)
    assert answer.exit_code == 2
    assert "is a folder; " + words in answer.output


def test_measure_real_files_as_json(real_images: Path, tmp_path: Path) -> None:
    files = sorted(real_images.glob("*_ima.fits"))
    answer = run("measure", *files, "--json", "--plot", tmp_path / "curves.png")
    found = json.loads(answer.stdout)
    assert [one["exposure"]["rootname"] for one in found] == ["ibxy01z8q", "ibxy07p9q"]
    assert [read["read"] for read in found[0]["reads"]] == [1, 2, 3]
    assert (tmp_path / "curves.png").stat().st_size > 10_000


@pytest.mark.parametrize(("ending", "first"), [("png", b"\x89PNG"), ("pdf", b"%PDF"), ("svg", b"<?xml")])
def test_a_picture_has_the_format_of_its_ending(ending: str, first: bytes, real_images: Path, tmp_path: Path) -> None:
    path = tmp_path / f"curve.{ending}"
    assert run("measure", sorted(real_images.glob("*_ima.fits"))[0], "--plot", path).exit_code == 0
    assert path.read_bytes().startswith(first)


def test_survey_of_real_files(real_images: Path, tmp_path: Path) -> None:
    catalog = tmp_path / "catalog"
    answer = run("survey", "--source", real_images, "--filters", "all", "--catalog", catalog)
    assert answer.exit_code == 0, answer.output
    text = "select rootname, filter, nsamp, exptime, sky_mean, quality_flags from exposures order by 1"
    rows = json.loads(run("sql", text, "--json", "--catalog", catalog).stdout)
    assert [(row["filter"], row["nsamp"], row["sky_mean"]) for row in rows] == [("F130N", 4, None)] * 2
    assert all({"few_reads", "subarray"} <= set(row["quality_flags"]) for row in rows)


def test_export_can_be_checked_and_verify_passes(catalog: Path, tmp_path: Path) -> None:
    assert run("export", tmp_path / "release", "--catalog", catalog).exit_code == 0
    sums = (tmp_path / "release" / "SHA256SUMS").read_text().splitlines()
    assert len(sums) == 8 + 3
    readme = (tmp_path / "release" / "README.md").read_text()
    assert "| sky_mean | float | electron/s |" in readme
    assert "Synthetic" in readme
    assert run("verify", "--catalog", catalog).exit_code == 0


def test_places_that_cannot_be_written_are_one_line(catalog: Path, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("in the way")
    for command in (["report", file / "r"], ["export", file / "e"], ["simulate", file / "s"], ["demo", file / "d"]):
        options = [] if command[0] in ("simulate", "demo") else ["--catalog", catalog]
        answer = run(*command, *options)
        assert answer.exit_code == 2, command
        assert "check the path and its permissions" in answer.output
    answer = run("sql", "SELECT 1", "--output", tmp_path / "none" / "x.csv", "--catalog", catalog)
    assert (answer.exit_code, "create it first" in answer.output) == (2, True)


def test_a_plan_leaves_nothing_behind(real_images: Path, tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    options = ["--filters", "all", "--dry-run", "--json", "--catalog", folder]
    answer = run("survey", "--source", real_images, *options)
    assert json.loads(answer.stdout)["n_exposures"] == 2
    assert not folder.exists()


def test_a_new_catalog_stays_if_a_survey_has_begun_in_it_even_if_it_cannot_be_opened(tmp_path: Path) -> None:
    folder = tmp_path / "catalog"
    with pytest.raises(CatalogError), survey._folder(folder, only_plan=False) as place:
        with open_catalog(place, mode="a") as catalog, recorded_run(catalog, "survey", {}):
            pass
        for file in (place / "runs").glob("*.parquet"):
            file.unlink()
        open_catalog(place)  # which fails now, as it may for a moment on a disk that does not answer
    assert folder.is_dir()
    with pytest.raises(KeyError), survey._folder(tmp_path / "other", only_plan=False) as place:
        open_catalog(place, mode="a").close()
        raise KeyError  # before any run
    assert not place.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["survey", "--filters", "F999W"], "'F999W' is not a WFC3/IR filter; choose all, or from F098M, F105W"),
        (["survey", "--precision", "0"], "precision 0: give a rate above zero"),
        (["survey", "--fast", "--rows", "80"], "--fast fixes the rows that are fetched; leave out --fast or --rows"),
        (["survey", "--start", "2013-01-02", "--end", "2013-01-01"], "--end 2013-01-01 is before --start 2013-01-02"),
        (["archive", "."], "create such a folder with: wfc3tvb simulate"),
        (["survey", "--source", "."], "give their folder (--source)"),
    ],
)
def test_options_without_sense_are_refused_before_anything_is_made(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = run(*arguments)
    assert answer.exit_code == 2
    assert words in answer.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--context", "newest"], "not the name of a CRDS context; write hst_NNNN.pmap"),
        (["--references", "header"], "set the environment variable iref"),
        (["--where", "nosuch > 1"], '"nosuch" not found'),
        (["--id", "ibxx99999"], "survey it first, or check the name"),
    ],
)
def test_a_repair_that_cannot_be_is_refused_before_anything_is_fetched(
    catalog: Path, options: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("iref", raising=False)
    answer = run("reprocess", *options, "--catalog", catalog, "--outdir", tmp_path / "products")
    assert answer.exit_code == 2
    assert words in answer.output
    assert not (tmp_path / "products").exists()


def test_without_a_selection_a_repair_is_only_planned(catalog: Path, tmp_path: Path) -> None:
    where = "--catalog", catalog, "--outdir", tmp_path / "products", "--references", "header", "--iref", tmp_path
    answer = run("reprocess", *where)
    assert answer.exit_code == 0
    assert re.search(r"ibohbfb9q +omit ", answer.output)
    assert "nothing is repaired without a selection: add --all, --id or --where" in answer.output
    plan = json.loads(run("reprocess", "--json", *where).stdout)
    assert {row["rootname"]: row["method"] for row in plan["exposures"]}["ibohbfb9q"] == "omit"
    assert not (tmp_path / "products").exists()


def test_the_readme_names_every_command() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    names = [name for name, command in main.commands.items() if not command.hidden]
    assert [name for name in names if not re.search(rf"`(wfc3tvb )?{name}`|wfc3tvb {name}\b", readme)] == []


@pytest.mark.slow
def test_a_plot_is_written_although_nobody_reads(real_images: Path, tmp_path: Path) -> None:
    image, plot = sorted(real_images.glob("*_ima.fits"))[0], tmp_path / "curve.png"
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "wfc3tvb", "measure", str(image), "--plot", str(plot)]
    with os.fdopen(writer, "wb") as stdout:
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_several_files_end_in_one_table(real_images: Path) -> None:
    names = [path.name[:9] for path in sorted(real_images.glob("*_ima.fits"))]
    lines = run("measure", *sorted(real_images.glob("*_ima.fits"))).stdout.splitlines()
    assert lines[-3].split()[:3] == ["rootname", "filter", "samp_seq"]
    assert [line.split()[0] for line in lines[-2:]] == names
