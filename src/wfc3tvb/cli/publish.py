"""Command release."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from wfc3tvb.cli.app import catalog_option, example, json_option, main, print_json, print_text
from wfc3tvb.cli.progress import progress_bars
from wfc3tvb.display import counted


@main.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--id", "collection", default="wfc3tvb", show_default=True, help="Identifier of the collection (HLSPID).")
@click.option("--release-version", "version", default="1.0", show_default=True, help="Version of the data.")
@click.option("--doi", help="DOI, once it is reserved, e.g. 10.5281/zenodo.1234567.")
@click.option("--title", help="Title of the data set.")
@click.option("--creator", "creators", multiple=True, help="Name, as Family, Given; repeatable.")
@click.option("--tables-only", is_flag=True, help="Leave out the repaired images.")
@click.option("--overwrite", is_flag=True, help="Replace an older release in this folder.")
@catalog_option
@json_option
@example('wfc3tvb release my-release --creator "Leavitt, Henrietta" --doi 10.5281/zenodo.1234567')
def release(
    out: Path,
    creators: Sequence[str],
    tables_only: bool,
    overwrite: bool,
    catalog: Path,
    as_json: bool,
    **identity: str,
) -> None:
    """Write tables and accepted images as MAST and Zenodo want them.

    The files have the names and keywords of MAST's high-level science products. Beside them: README, description of
    the columns, manifest, checksums, licence, citation, and metadata for Zenodo, DataCite, Frictionless and RO-Crate.
    """
    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.catalog.export import MEMORY
    from wfc3tvb.publish.identity import Release
    from wfc3tvb.publish.release import write_published

    given = {name: value for name, value in identity.items() if value is not None}
    settings = Release(**given, **({"creators": tuple(creators)} if creators else {}))  # type: ignore[arg-type]
    with open_catalog(catalog, memory_limit=MEMORY) as store, progress_bars() as progress:
        paths = write_published(store, out, settings, products=not tables_only, overwrite=overwrite, progress=progress)
    if as_json:
        print_json([str(path) for path in paths])
        return
    print_text(f"wrote {counted(len(paths), 'file')} into {out}")
    print_text(f"next: read {out / 'README.md'}, then upload the folder")
