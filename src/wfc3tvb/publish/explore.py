"""The page of a release that asks its Parquet files in a browser: search, curves of a visit, SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup

from wfc3tvb import __version__
from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.catalog.queries import load_all
from wfc3tvb.models import Row
from wfc3tvb.publish.identity import Release
from wfc3tvb.publish.manifest import Item
from wfc3tvb.report.curve_plots import KEY
from wfc3tvb.report.rendering import environment
from wfc3tvb.schema import TVB_CLASSES

#: Documented queries that the SQL engine of the page runs; the others need views, or parts of SQL that it has not.
RUNS = (
    "headline", "flagged_by_filter", "flagged_by_sequence", "my_visit", "my_association", "visit_exposures", "reads_of",
    "repairs", "reads_above_twice", "excess_by_latitude", "excess_by_limb_angle",
    "excess_by_sun_altitude",
)  # fmt: skip
_SCRIPTS = ("explore_files.js", "explore_plots.js", "explore_page.js")
_LEAD = (
    "Search the exposures of this release, see the sky between their reads, and ask the tables with SQL, in this "
    "browser: the page reads the parts that it needs of the Parquet files beside it, and sends nothing."
)
#: Exposure that the examples are about: the one whose curve has most to show.
_EXAMPLE = "SELECT rootname, visit, asn_id, filter FROM exposures ORDER BY tvb_score DESC NULLS LAST, rootname LIMIT 1"


def explore_page(catalog: Catalog, release: Release, items: Sequence[Item], *, synthetic: bool) -> str:
    """Return the page, one file that needs nothing but the tables beside it.

    Parameters
    ----------
    catalog : Catalog
        The catalog, from which the examples are taken.
    release : Release
        Identity of the release.
    items : sequence of Item
        Files of the release; the tables among them are those that the page knows.
    synthetic : bool
        Whether the exposures are simulated.
    """
    tables = [_table(item) for item in items if item.table]
    example: Row = next(iter(catalog.fetch(_EXAMPLE).to_pylist()), {})
    queries = _queries({name: value for name, value in example.items() if value is not None})
    found = catalog.fetch("SELECT DISTINCT filter FROM exposures WHERE filter IS NOT NULL ORDER BY filter")
    return _templates().get_template("explore.html").render(
        title=release.title,
        lead=_LEAD,
        synthetic=synthetic,
        version=__version__,
        source=f"version {release.version} of {release.day}",
        tables=tables,
        exposures=next(table["file"] for table in tables if table["name"] == "exposures"),
        filters=found["filter"].to_pylist(),
        example=example.get("visit") or "ibohbf",
        queries=queries,
        statement=queries["flagged_by_filter"]["sql"],
        others=[name for name in load_all() if name not in RUNS],
        key=[*((name, "dot", f"sky between reads, {name}") for name in TVB_CLASSES), *_KEY],
        data=_json({"tables": tables, "queries": queries}),
        scripts=_scripts(),
        licenses=_static("parquet.LICENSES.txt"),
    )  # fmt: skip


#: The plots of this page leave out the Sun's altitude.
_KEY = [entry for entry in KEY if not entry[2].startswith("Sun")]


def _table(item: Item) -> dict[str, Any]:
    assert item.table
    names = ("name", "type", "unit", "description")
    return {
        "name": item.table.name,
        "row": item.table.row,
        "rows": item.n_rows,
        "file": item.path.name,
        "bytes": item.n_bytes,
        "columns": [{name: getattr(column, name) for name in names} for column in item.table.columns],
    }


def _queries(example: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return title, further text and statement of each documented query that runs in the page."""
    found = ((name, load_all()[name]) for name in RUNS)
    return {
        name: {"title": query.title, "text": query.text, "sql": _without_comments(query.example(example))}
        for name, query in found
    }


def _without_comments(sql: str) -> str:
    return "\n".join(line for line in sql.splitlines() if not line.startswith("--"))


def _json(value: object) -> Markup:
    """Return JSON for a script element, which only `<` could end."""
    return Markup(json.dumps(value, ensure_ascii=False).replace("<", "\\u003c"))  # noqa: S704 (no element can begin)


@cache
def _templates() -> Environment:
    jinja = environment()
    jinja.loader = ChoiceLoader([PackageLoader("wfc3tvb.publish"), PackageLoader("wfc3tvb.report")])
    return jinja


@cache
def _scripts() -> list[Markup]:
    """Return the scripts: the bundle of packages (see `tools/bundle_javascript.py`), and those of the page."""
    folder = files("wfc3tvb.publish") / "templates"
    own = [(folder / name).read_text(encoding="utf-8") for name in _SCRIPTS]
    return [Markup(text) for text in (_static("parquet.min.js"), *own)]  # noqa: S704 (files of this package)


def _static(name: str) -> str:
    return (files("wfc3tvb.publish") / "static" / name).read_text(encoding="utf-8")
