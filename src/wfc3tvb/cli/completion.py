"""Completion in the shell: names of queries, presets and filters, and what the opened catalog holds."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem, FishComplete, add_completion_class

from wfc3tvb.errors import TvbError
from wfc3tvb.suggest import CATALOG_VARIABLE, DEFAULT_CATALOG

#: Most rootnames and associations that are offered; of more, the visits are.
_MOST = 200
#: What the catalog holds, by the name that parameters of queries have.
_NAMES = {
    "rootname": "SELECT DISTINCT rootname FROM exposures",
    "asn_id": "SELECT DISTINCT asn_id FROM exposures WHERE asn_id IS NOT NULL",
    "dataset": "SELECT DISTINCT dataset FROM exposures WHERE dataset IS NOT NULL",
    "visit": "SELECT DISTINCT visit FROM exposures",
    "proposal_id": "SELECT CAST(proposal_id AS VARCHAR) FROM (SELECT proposal_id FROM datasets UNION "
    "SELECT proposal_id FROM exposures) WHERE proposal_id IS NOT NULL",
    "filter": "SELECT DISTINCT filter FROM exposures WHERE filter IS NOT NULL",
}


@add_completion_class
class Fish(FishComplete):
    """Completion in fish, also of texts with commas (lists of filters, descriptions), which click's script cuts."""

    source_template = FishComplete.source_template.replace('string split ","', 'string split --max 1 ","')


def complete_ids(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the rootnames, associations, datasets and visits of the catalog that begin in this way."""
    found = _in_catalog(context, ("rootname", "asn_id", "dataset", "visit"), incomplete)
    return _items(found if len(found) <= _MOST else [name for name in found if len(name) == 6])


def complete_programs(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the proposal numbers of the catalog that begin in this way."""
    return _items(_in_catalog(context, ("proposal_id",), incomplete))


def complete_queries(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the documented queries, with what they answer."""
    from wfc3tvb.catalog.queries import load_all

    return [CompletionItem(q.name, help=q.title) for q in load_all().values() if q.name.startswith(incomplete)]


def complete_parameters(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the parameters of the query before, with the values that the catalog holds."""
    from wfc3tvb.catalog.queries import load

    # While the option lacks its value, click leaves the arguments before it unparsed.
    name = context.params.get("name") or next(iter(context.args), "")
    try:
        found = load(name).parameters
    except TvbError:
        return []
    pairs = []
    for each in found:
        values = _in_catalog(context, (each.name,), "") if each.name in _NAMES else []
        pairs += [(f"{each.name}={value}", each.description) for value in values[:_MOST] or [each.default or ""]]
    return [CompletionItem(text, help=about) for text, about in pairs if text.startswith(incomplete)]


def complete_tables(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the tables and views, with what a row is."""
    from wfc3tvb.catalog.views import RELATIONS

    return [CompletionItem(name, help=f"one row per {table.row}") for name, table in RELATIONS.items()
            if name.startswith(incomplete)]  # fmt: skip


def complete_presets(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the visits that can be simulated."""
    from wfc3tvb.simulate.presets import presets

    return _items(name for name in presets() if name.startswith(incomplete))


def complete_filters(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the filters, for the last of a list separated by commas."""
    from wfc3tvb.instrument import FILTERS

    before, comma, last = incomplete.rpartition(",")
    names = (*FILTERS, "all") if not comma else FILTERS
    return _items(f"{before}{comma}{name}" for name in names if name.lower().startswith(last.lower()))


def complete_sources(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of archives, and let the shell complete folders."""
    names = [name for name in ("auto", "s3", "mast") if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="dir"), *_items(names)]


def _items(names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names]


def _in_catalog(context: click.Context, kinds: Iterable[str], incomplete: str) -> list[str]:
    """Return what the catalog of the command holds, in the case that was typed; nothing where none can be opened."""
    from wfc3tvb.catalog.catalog import open_catalog

    folder = context.params.get("catalog") or os.environ.get(CATALOG_VARIABLE) or DEFAULT_CATALOG
    union = " UNION ".join(_NAMES[kind] for kind in kinds)
    text = f"SELECT name FROM ({union}) AS t(name) WHERE starts_with(lower(name), $begin) ORDER BY name"
    try:
        with open_catalog(Path(folder)) as store:
            names = [name for (name,) in store.sql(text, {"begin": incomplete.lower()}).fetchall()]
    except (TvbError, OSError):
        return []
    return [name.upper() if incomplete.isupper() else name for name in names]
