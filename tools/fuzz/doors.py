"""All doors by name, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from tools.fuzz import exposure_doors, query_doors, reference_doors, service_doors
from tools.fuzz.judge import Door

#: Makes a door, with an empty folder for its files.
DOORS: Mapping[str, Callable[[Path], Door]] = {
    "header": exposure_doors.header,
    "headers": exposure_doors.headers,
    "fits": exposure_doors.fits_files,
    "ima": exposure_doors.ima,
    "raw": exposure_doors.raw,
    "spt": exposure_doors.spt,
    "jit": exposure_doors.jit,
    "asn": exposure_doors.asn,
    "flt": exposure_doors.flt,
    "table": reference_doors.table,
    "image": reference_doors.image,
    "mast": service_doors.mast,
    "s3": service_doors.s3,
    "crds": service_doors.crds_server,
    "sql": query_doors.sql,
    "adql": query_doors.adql,
    "http": query_doors.http,
}
