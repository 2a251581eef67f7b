"""Write the generated parts of the documentation: the architecture, the keys of JSON, the page of public names.

``python tools/generate_docs.py`` writes them; a test says when they are out of date. Only standard library: the names
and first lines are read from the source, nothing is imported.
"""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src" / "wfc3tvb"
#: The public names by the page's headings.
GROUPS = {
    "Measure an exposure": ("measure", "plot", "explain", "Measurement", "MeasureSettings"),
    "Survey an archive": ("survey", "run_survey", "open_archive", "Selection", "Services", "SurveyReport", "Workers"),
    "Read and query a catalog": (
        "open_catalog", "Catalog", "curves", "Curves", "columns", "read_table", "write_table",
    ),
    "Calibrate": (
        "calibrate", "CalResult", "fit_ramps", "RampFit", "fit_ramps_optimal", "OptimalFit", "OptimalSettings",
    ),
    "Repair and drizzle": (
        "reprocess", "ReprocessSettings", "ReprocessReport", "flatten_ramp", "FlattenedRamp",
        "drizzle", "DrizzleProcess", "DrizzleSettings",
        "read_flt", "read_drz", "Picture", "repair_figures",
    ),
    "Simulate": ("simulate_visit", "SimulatedVisit", "simulate_catalog", "serve_archive", "Faults"),
    "Errors": ("TvbError", "errors"),
}  # fmt: skip


#: What the commands print with --json, besides rows of tables: the page's heading, and where its class is.
JSON = {
    "survey --dry-run": ("survey/estimate.py", "SurveyPlan", "an object"),
    "survey": ("survey/survey.py", "SurveyReport", "an object"),
    "rescore": ("survey/rescore.py", "RescoreReport", "an object"),
    "systematic": ("survey/null_calibration.py", "Null", "a list with an object for each group of exposures"),
    "reprocess --dry-run": ("repair/estimate.py", "RepairPlan", "an object"),
    "reprocess --dry-run, exposures": ("repair/estimate.py", "PlannedExposure", "an object for each exposure"),
    "reprocess": ("repair/reprocess.py", "ReprocessReport", "an object"),
    "calibrate": ("engines/calibrate.py", "CalResult", "a list with an object for each exposure"),
    "queries": ("catalog/queries.py", "Query", "a list with an object for each query; with a name, that object"),
    "queries, parameters": ("catalog/queries.py", "Parameter", "an object for each parameter"),
    "verify": ("catalog/verify.py", "CheckResult", "a list with an object for each check"),
    "compact": ("catalog/compaction.py", "Compacted", "a list with an object for each table"),
    "doctor, validate": ("checks/doctor.py", "Finding", "a list with an object for each check"),
}


def generated() -> dict[Path, str]:
    """Return every generated file and the text that it should have."""
    page = ROOT / "docs" / "architecture.md"
    text = page.read_text(encoding="utf-8")
    for name, part in (("floors", floors_table()), ("modules", module_lists())):
        text = replace_part(text, name, part)
    commands = ROOT / "docs" / "command-line.md"
    json = replace_part(commands.read_text(encoding="utf-8"), "json", json_tables())
    return {
        page: text,
        commands: json,
        ROOT / "docs" / "images" / "floors.svg": floors_svg(),
        ROOT / "docs" / "api.md": api_page(),
    }


def replace_part(text: str, name: str, part: str) -> str:
    """Return a page with the part between its two marks replaced."""
    begin, end = f"<!-- generated: {name} -->", f"<!-- end: {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"a page lacks {begin} or {end}")
    return f"{before}{begin}\n\n{part}\n{end}{after}"


# --- the architecture --------------------------------------------------------------------------------------------


def floors() -> list[list[str]]:
    """Return the rooms of every floor, from the ground up."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["wfc3tvb"]
    plan: list[list[str]] = settings["floors"]
    return plan


def first_line(path: Path) -> str:
    """Return the first paragraph of a module's docstring, on one line and without its full stop."""
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return _line(docstring)


def _line(docstring: str) -> str:
    """Return the first paragraph of a docstring as a line of Markdown, without its full stop."""
    return " ".join(docstring.partition("\n\n")[0].split()).rstrip(".").replace("``", "`").replace("|", "&#124;")


def home_of(room: str) -> Path | None:
    """Return the file whose docstring describes a room; None where the room is planned and not built."""
    homes = (SRC / room / "__init__.py", SRC / f"{room}.py")
    return next((home for home in homes if home.exists()), None)


def floors_table() -> str:
    """Return the floors as a Markdown table, the highest first."""
    lines = ["| floor | room | holds |", "|---|---|---|"]
    for floor, rooms in reversed(list(enumerate(floors()))):
        lines += [f"| {floor} | `{room}` | {first_line(home)} |" for room in rooms if (home := home_of(room))]
    return "\n".join(lines) + "\n"


def module_lists() -> str:
    """Return a list of modules for every room, with the first line of each docstring."""
    parts = []
    for room in sorted({room for rooms in floors() for room in rooms if (SRC / room).is_dir()}):
        paths = sorted(path for path in (SRC / room).rglob("*.py") if path.name != "__init__.py")
        items = [f"- `{path.relative_to(SRC).as_posix()}`: {first_line(path)}" for path in paths]
        parts.append(f"### {room}\n\n" + "\n".join(items) + "\n")
    return "\n".join(parts)


def floors_svg() -> str:
    """Return the picture of the floors: a row of boxes each, the ground at the bottom."""
    width, height, gap, left = 720, 34, 8, 40
    rows = list(reversed([[room for room in rooms if home_of(room)] for rooms in floors()]))
    total = len(rows) * (height + gap) + gap
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {total}" role="img" '
        'font-family="sans-serif" font-size="14">',
        "<title>Floors of the package: imports point down</title>",
        f'<rect width="{width}" height="{total}" fill="#ffffff"/>',
    ]
    for row, rooms in enumerate(rows):
        y = gap + row * (height + gap)
        parts.append(f'<text x="12" y="{y + 22}" fill="#57606a">{len(rows) - 1 - row}</text>')
        box = (width - left - gap * len(rooms)) / len(rooms)
        for place, room in enumerate(rooms):
            x = left + place * (box + gap)
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{box:.1f}" height="{height}" rx="5" fill="#e8f0f8" '
                'stroke="#5b7fa6"/>'
                f'<text x="{x + box / 2:.1f}" y="{y + 22}" text-anchor="middle" fill="#1f2937">{room}</text>'
            )
    return "\n".join([*parts, "</svg>"]) + "\n"


# --- the command line --------------------------------------------------------------------------------------------


def json_tables() -> str:
    """Return the keys that each command prints with --json, from the attributes of its classes."""
    parts = []
    for command, (path, name, what) in JSON.items():
        lines = [f"### {command}", "", f"{what[0].upper()}{what[1:]}:", "", "| key | type | meaning |", "|---|---|---|"]
        lines += [f"| `{key}` | {kind} | {meaning} |" for key, kind, meaning in attributes(SRC / path, name)]
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def attributes(path: Path, name: str) -> list[tuple[str, str, str]]:
    """Return name, type and meaning of a class's attributes, from its numpydoc section; all fields must be there."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    node = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    section = (ast.get_docstring(node) or "").partition("Attributes\n----------\n")[2].split("\n\n")[0]
    found = []
    for entry in re.split(r"\n(?=\S)", section):
        head, _, text = entry.partition("\n")
        names, _, kind = head.partition(" : ")
        meaning = _line(re.sub(r"\bNone\b", "null", text))
        found += [(each.strip(), _json_type(kind), meaning) for each in names.split(",")]
    fields = {ast.unparse(item.target) for item in node.body if isinstance(item, ast.AnnAssign)}
    if fields != {key for key, _, _ in found}:
        raise ValueError(f"{path}: the section Attributes of {name} does not list its fields")
    return found


def _json_type(kind: str) -> str:
    """Return the JSON type of a Python type."""
    words = {"str": "string", "Path": "string", "int": "number", "float": "number", "bool": "true or false"}
    if kind.startswith("tuple"):
        return "list"
    if kind.startswith("mapping"):
        return "object"
    return " or ".join("null" if word == "None" else words[word] for word in kind.split(" or "))


# --- the public names --------------------------------------------------------------------------------------------


def public_names() -> dict[str, tuple[Path, str]]:
    """Return the public names, the file of each and its name there, from the package's stub."""
    names = {}
    for line in (SRC / "__init__.pyi").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"from wfc3tvb(?:\.(\S+))? import (\w+) as (\w+)", line):
            module, there, public = match.groups()
            home = SRC / (module or there).replace(".", "/")
            path = home / "__init__.py" if home.is_dir() else home.with_suffix(".py")
            names[public] = (path, there if module else "")
    return names


def summary(path: Path, name: str) -> str:
    """Return the first line of the docstring of a function or class; of the module where the name is empty."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not name:
        return first_line(path)
    documented = ast.FunctionDef | ast.ClassDef
    node = next((node for node in tree.body if isinstance(node, documented) and node.name == name), None)
    if node is None:
        raise ValueError(f"{path}: {name} is not defined here; name the module that does in src/wfc3tvb/__init__.pyi")
    return _line(ast.get_docstring(node) or "")


def api_page() -> str:
    """Return the page of public names: a table of all, then each with signature and docstring (by mkdocstrings)."""
    names = public_names()
    if sorted(names) != sorted(name for group in GROUPS.values() for name in group):
        raise ValueError("the groups of tools/generate_docs.py do not hold the names of src/wfc3tvb/__init__.pyi")
    lines = [
        "# Public names",
        "",
        "All of them are imported from `wfc3tvb` itself; each is loaded on first use, so `import wfc3tvb` takes a few",
        "milliseconds. [From Python](python.md) has examples. What is not listed here may change in any version.",
        "",
        "| name | in short |",
        "|---|---|",
    ]
    lines += [f"| [`{name}`](#wfc3tvb.{name}) | {summary(*names[name])} |" for g in GROUPS.values() for name in g]
    for group, members in GROUPS.items():
        lines += ["", f"## {group}"]
        for name in members:
            lines += ["", f"::: wfc3tvb.{name}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write what is out of date."""
    for path, text in generated().items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
