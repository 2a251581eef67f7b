"""Metadata of a release for machines: Zenodo, DataCite, Frictionless data package, RO-Crate.

Forms: Zenodo's deposit metadata; DataCite Metadata Schema 4.5; Frictionless Data Package 1; RO-Crate 1.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from wfc3tvb import __version__
from wfc3tvb.publish.identity import LICENSE_ID, LICENSE_URL, Release
from wfc3tvb.publish.manifest import Item
from wfc3tvb.schema import Column

KEYWORDS = ("astronomy", "Hubble Space Telescope", "WFC3/IR", "background", "helium airglow", "calibration")
_FIELD_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}


def zenodo(release: Release, text: str) -> dict[str, Any]:
    """Return the metadata that Zenodo reads from ``.zenodo.json``."""
    found: dict[str, Any] = {
        "title": release.title,
        "upload_type": "dataset",
        "description": text,
        "version": release.version,
        "publication_date": release.day,
        "creators": [{"name": name} for name in release.creators],
        "license": LICENSE_ID.lower(),
        "access_right": "open",
        "keywords": list(KEYWORDS),
        "notes": f"Made by wfc3tvb {__version__} from data of the Mikulski Archive for Space Telescopes (MAST).",
    }
    return found | ({"doi": release.doi} if release.doi else {})


def datacite(release: Release, text: str) -> dict[str, Any]:
    """Return the DataCite record; without a DOI it is the draft of one."""
    found: dict[str, Any] = {
        "schemaVersion": "http://datacite.org/schema/kernel-4",
        "types": {"resourceTypeGeneral": "Dataset", "resourceType": "Astronomical catalog"},
        "titles": [{"title": release.title}],
        "creators": [_creator(name) for name in release.creators],
        "publisher": {"name": "Zenodo"},
        "publicationYear": release.day[:4],
        "dates": [{"date": release.day, "dateType": "Issued"}],
        "version": release.version,
        "language": "en",
        "subjects": [{"subject": word} for word in KEYWORDS],
        "rightsList": [{"rightsIdentifier": LICENSE_ID.lower(), "rightsUri": LICENSE_URL}],
        "descriptions": [{"description": text, "descriptionType": "Abstract"}],
    }
    return found | ({"doi": release.doi} if release.doi else {})


def _creator(name: str) -> dict[str, str]:
    family, comma, given = name.partition(", ")
    if not comma:
        return {"name": name, "nameType": "Organizational"}
    return {"name": name, "nameType": "Personal", "familyName": family, "givenName": given}


def data_package(release: Release, items: Sequence[Item], text: str) -> dict[str, Any]:
    """Return the Frictionless data package: the tables with their columns, and the other files."""
    return {
        "profile": "data-package",
        "name": f"{release.collection}-v{release.version}",
        "title": release.title,
        "description": text,
        "version": release.version,
        "created": f"{release.day}T00:00:00Z",
        "licenses": [{"name": LICENSE_ID, "path": LICENSE_URL}],
        "contributors": [{"title": name, "role": "author"} for name in release.creators],
        "keywords": list(KEYWORDS),
        "resources": [_resource(item) for item in items],
    }


def _resource(item: Item) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": item.table.name if item.table else item.path.name.lower().replace("_", "-"),
        "path": item.path.name,
        "description": item.text,
        "format": item.path.suffix.lstrip("."),
        "mediatype": item.media_type,
        "bytes": item.n_bytes,
        "hash": f"sha256:{item.sha256}",
    }
    if item.table is None:
        return found
    # A file, not a table: frictionless reads Parquet by way of floats, and takes null integers and lists for errors.
    schema = {"fields": [_field(column) for column in item.table.columns], "primaryKey": list(item.table.key)}
    return found | {"type": "file", "schema": schema}


def _field(column: Column) -> dict[str, Any]:
    kind = "array" if column.type.endswith("[]") else _FIELD_TYPES[column.type]
    found = {"name": column.name, "type": kind, "description": column.description}
    return found | ({"unit": column.unit} if column.unit else {})


def ro_crate(release: Release, items: Sequence[Item], text: str) -> dict[str, Any]:
    """Return the RO-Crate: the data set and its files as linked data."""
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": release.title,
        "description": text,
        "version": release.version,
        "datePublished": release.day,
        "license": {"@id": LICENSE_URL},
        "creator": [{"@id": f"#creator-{number}"} for number, _ in enumerate(release.creators, 1)],
        "keywords": ", ".join(KEYWORDS),
        "hasPart": [{"@id": item.path.name} for item in items],
    }
    about = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        "about": {"@id": "./"},
    }
    others = [
        {"@id": LICENSE_URL, "@type": "CreativeWork", "name": LICENSE_ID},
        *(
            {"@id": f"#creator-{number}", "@type": "Person" if ", " in name else "Organization", "name": name}
            for number, name in enumerate(release.creators, 1)
        ),
    ]
    if release.doi:
        root["identifier"] = f"https://doi.org/{release.doi}"
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": [about, root, *map(_file, items), *others]}


def _file(item: Item) -> dict[str, Any]:
    return {
        "@id": item.path.name,
        "@type": "File",
        "name": item.text,
        "encodingFormat": item.media_type,
        "contentSize": str(item.n_bytes),
        "sha256": item.sha256,
    }
