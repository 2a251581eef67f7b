"""The pages of a release for people: README, column descriptions, citation, licence."""

from __future__ import annotations

import json
from collections.abc import Sequence

from wfc3tvb import __version__
from wfc3tvb.catalog.release import table_section
from wfc3tvb.publish.identity import LICENSE, LICENSE_ID, LICENSE_URL, Release
from wfc3tvb.publish.manifest import Item
from wfc3tvb.schema import SCHEMA_VERSION

_SYNTHETIC = "Synthetic: the exposures of this release are simulated, not observed. "
_ABSTRACT = (
    "Helium airglow at 1.083 um changes while WFC3/IR exposures in F105W and F110W are read up the ramp, and breaks "
    "the ramp fit of calwf3. These tables have the sky between the reads of every exposure, the damage to the product "
    "in the archive, its cause, the recommended repair, and a comparison of repaired products with the archive's."
)
_README = """# {title}

{note}{abstract}

Version {version}, {day}, made by wfc3tvb {program} (schema {schema}).{doi}

| file | rows | what it is |
|---|---|---|
{rows}

Every column is described in `COLUMNS.md`, with its unit; the same is in the metadata of the Parquet files and in
`datapackage.json`. Missing values are null. In Python:

```python
import pandas

exposures = pandas.read_parquet("{exposures}")
```

DuckDB, polars, TOPCAT and astropy (`Table.read`) read the files, too.

Without any of them: `explore.html` searches the exposures, draws the sky between their reads and runs SQL in a browser.
Serve this folder (`python -m http.server`), or open the page from the disk and choose the Parquet files.

`manifest.csv` lists every file with its size and checksum; `sha256sum -c SHA256SUMS` checks them all. `datacite.json`,
`.zenodo.json`, `datapackage.json` and `ro-crate-metadata.json` say the same for machines. How to cite: `CITATION.cff`.
Licence: {license} ({license_url}).
"""


def abstract(*, synthetic: bool) -> str:
    """Return what the release is, in a few sentences; that of simulated exposures says so first."""
    return (_SYNTHETIC if synthetic else "") + _ABSTRACT


def readme(release: Release, items: Sequence[Item], *, synthetic: bool) -> str:
    """Return the README."""
    rows = "\n".join(
        f"| {item.path.name} | {'' if item.n_rows is None else item.n_rows} | {item.text} |" for item in items
    )
    exposures = next(item.path.name for item in items if item.table and item.table.name == "exposures")
    return _README.format(
        title=release.title,
        note=f"**{_SYNTHETIC.strip()}**\n\n" if synthetic else "",
        abstract=_ABSTRACT,
        version=release.version,
        day=release.day,
        program=__version__,
        schema=SCHEMA_VERSION,
        doi=f" DOI: https://doi.org/{release.doi}" if release.doi else "",
        rows=rows,
        exposures=exposures,
        license=LICENSE,
        license_url=LICENSE_URL,
    )


def columns_page(items: Sequence[Item]) -> str:
    """Return the description of the columns of every table."""
    return "# Columns\n" + "".join(table_section(item.table) for item in items if item.table)


def citation(release: Release) -> str:
    """Return the citation file (CFF 1.2)."""
    lines = [
        "cff-version: 1.2.0",
        f"title: {_quoted(release.title)}",
        'message: "If you use these data, please cite them, and acknowledge MAST."',
        "type: dataset",
        "authors:",
        *(_author(name) for name in release.creators),
        f'version: "{release.version}"',
        f"date-released: {release.day}",
        f"license: {LICENSE_ID}",
    ]
    return "\n".join(lines + ([f"doi: {release.doi}"] if release.doi else [])) + "\n"


def _author(name: str) -> str:
    family, comma, given = name.partition(", ")
    if not comma:
        return f"  - name: {_quoted(name)}"
    return f"  - family-names: {_quoted(family)}\n    given-names: {_quoted(given)}"


def _quoted(text: str) -> str:
    """Return a text as YAML writes it in double quotes, which is as JSON does."""
    return json.dumps(text, ensure_ascii=False)
