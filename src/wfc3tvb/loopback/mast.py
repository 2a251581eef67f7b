"""Serve MAST over loopback: the search API of MastMissions, the CAOM services and file downloads.

Requests and answers have the form that the unmodified astroquery 0.4.11 sends and reads, and 0.4.12 too.
"""

from __future__ import annotations

import fnmatch
import json
import operator
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from astropy.coordinates import angular_separation
from astropy.time import Time
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from wfc3tvb.dates import DAY
from wfc3tvb.loopback.faults import Faults
from wfc3tvb.loopback.files import file_response
from wfc3tvb.loopback.index import Index
from wfc3tvb.models import Row

#: Columns of the search API that are supported, with their SQL type.
MISSION_COLUMNS = {
    "sci_data_set_name": "VARCHAR", "sci_targname": "VARCHAR", "sci_instrume": "VARCHAR", "sci_spec_1234": "VARCHAR",
    "sci_aper_1234": "VARCHAR",
    "sci_actual_duration": "FLOAT", "sci_start_time": "DATETIME", "sci_stop_time": "DATETIME", "sci_pep_id": "INTEGER",
    "sci_pi_last_name": "VARCHAR", "sci_asn_id": "VARCHAR", "sci_instrument_config": "VARCHAR", "sci_sun_alt": "FLOAT",
    "sci_generation_date": "DATETIME", "sci_ra": "FLOAT", "sci_dec": "FLOAT", "ang_sep": "FLOAT",
    "search_pos": "VARCHAR", "search_key": "VARCHAR",
}  # fmt: skip
_CAOM_TYPES = {
    "obsid": "string", "obs_id": "string", "obs_collection": "string", "instrument_name": "string", "project": "string",
    "provenance_name": "string", "filters": "string", "target_name": "string", "proposal_id": "string",
    "proposal_pi": "string", "dataproduct_type": "string", "calib_level": "int", "t_min": "float", "t_max": "float",
    "t_exptime": "float", "s_ra": "float", "s_dec": "float", "dataURL": "string",
}  # fmt: skip
#: Comparison operators, longer ones first.
_SIGNS = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "!": operator.ne}
_PRODUCT_TYPES = {
    "obsID": "string", "obs_collection": "string", "obs_id": "string", "dataURI": "string", "productType": "string",
    "productSubGroupDescription": "string", "productFilename": "string", "size": "int", "parent_obsid": "string",
    "project": "string", "calib_level": "int", "dataRights": "string",
}  # fmt: skip


class Mast:
    """Handlers of the requests to MAST."""

    def __init__(self, index: Index, faults: Faults) -> None:
        self.index, self.faults = index, faults
        times = ("start_time", "stop_time", "generation_date")
        dates = {n: Time([row[n] for row in index.datasets], format="mjd").isot.tolist() for n in times}
        self.missions = [_mission_row(row, {n: dates[n][i] for n in times}) for i, row in enumerate(index.datasets)]
        self.observations = [_observation(i, row) for i, row in enumerate(index.datasets)]
        self._by_name = {row["dataset"]: row for row in index.datasets}
        self._by_obsid = {obs["obsid"]: row for obs, row in zip(self.observations, index.datasets, strict=True)}

    async def column_list(self, request: Request) -> Response:
        """Answer with the columns of the search."""
        kinds = {"VARCHAR": "char", "FLOAT": "float", "INTEGER": "integer", "DATETIME": "datetime"}
        return JSONResponse([
            {"column_name": name, "qual_type": kinds[kind], "description": name, "field_name": name,
             "queryable": "yes", "default_output": "yes", "indexed": "yes", "datatype": kinds[kind]}
            for name, kind in MISSION_COLUMNS.items()
        ])  # fmt: skip

    async def search(self, request: Request) -> Response:
        """Answer a search for datasets."""
        body = await request.json()
        rows: list[Row] = self.missions
        for condition in body.get("conditions") or ():
            for column, text in condition.items():
                refused = self.faults.refuse_config and column == "sci_instrument_config"
                if refused or column not in MISSION_COLUMNS:
                    return JSONResponse({"detail": f"no column {column}"}, 400)
                passes = _condition(str(text))
                rows = [row for row in rows if passes(row[column])]
        for target in body.get("target") or ():
            ra, dec = map(float, target.split())
            rows = [r for r in rows if _distance(ra, dec, r["sci_ra"], r["sci_dec"]) * 3600 <= float(body["radius"])]
        for column in reversed(body.get("sort_by") or ()):
            rows = sorted(rows, key=partial(_text_of, column))
        # astroquery reads what it asked for from 0.4.12 on, where it can ask for the count alone.
        asked = {"count_only": bool(body.get("count_only"))}
        if asked["count_only"]:
            return JSONResponse({"messages": [], "info": [], "results": [], "search_params": asked,
                                 "totalResults": len(rows)})  # fmt: skip
        start, limit = int(body.get("offset") or 0), int(body.get("limit") or 5000)
        if self.faults.max_rows is not None:
            limit = min(limit, self.faults.max_rows)
        names = [n for n in dict.fromkeys(body.get("select_cols") or MISSION_COLUMNS) if n in MISSION_COLUMNS]
        return JSONResponse({
            "messages": [],
            "info": [{"name": n, "type": MISSION_COLUMNS[n]} for n in names],
            "results": [{n: row[n] for n in names} for row in rows[start : start + limit]],
            "search_params": asked, "totalResults": len(rows),
        })  # fmt: skip

    async def list_products(self, request: Request) -> Response:
        """Answer with the files of datasets."""
        wanted = sorted({str(name).strip().lower() for name in (await request.json())["dataset_ids"]})
        if self.faults.most_products is not None and len(wanted) > self.faults.most_products:
            return JSONResponse({"detail": "too many datasets"}, 400)
        return JSONResponse({"products": [
            {"product_key": f"{row['dataset'].upper()}_{name}", "access": "PUBLIC", "dataset": row["dataset"].upper(),
             "instrument_name": "WFC3  ", "filters": row["filters"], "filename": name,
             "uri": f"{row['dataset'].upper()}/{name}", "authz_primary_identifier": root.upper(),
             "authz_secondary_identifier": "CAL", "file_suffix": name.split("_")[1][:-5].upper(),
             "category": "CALIBRATED", "size": size, "type": "science"}
            for row in (self._by_name[name] for name in wanted if name in self._by_name)
            for root, name, size in self.index.products(row)
        ]})  # fmt: skip

    async def columns_config(self, request: Request) -> Response:
        """Answer with the types of the columns of a CAOM service, which filters need."""
        name = parse_qs((await request.body()).decode()).get("colConfigId", [""])[0]
        types = _PRODUCT_TYPES if "Products" in name else _CAOM_TYPES
        numeric = {"float": "double", "int": "int", "string": "char"}
        return JSONResponse({n: {"text": n, "vot.datatype": numeric[kind]} for n, kind in types.items()})

    async def invoke(self, request: Request) -> Response:
        """Answer a request to a CAOM service."""
        body = json.loads(parse_qs((await request.body()).decode())["request"][0])
        if self.faults.take("caom_503"):
            return Response("unavailable", 503)
        if self.faults.take("long_polls"):
            return JSONResponse({"status": "EXECUTING", "msg": "", "data": [], "fields": [], "paging": None})
        service, params = body["service"], body["params"]
        if service == "Mast.Caom.Products":
            return _page(self._products(str(params["obsid"]).split(",")), _PRODUCT_TYPES, body)
        if not service.startswith(("Mast.Caom.Filtered", "Mast.Caom.Cone")):
            return JSONResponse({"status": "ERROR", "msg": f"unknown service {service}", "data": [], "fields": []})
        rows = [row for row in self.observations if all(_passes(row, f) for f in params.get("filters", ()))]
        if cone := _cone(params):
            ra, dec, radius = cone
            rows = [row for row in rows if _distance(ra, dec, row["s_ra"], row["s_dec"]) <= radius]
        if "COUNT" in params.get("columns", ""):
            return _page([{"Column1": len(rows)}], {"Column1": "string"}, body)
        return _page(rows, _CAOM_TYPES, body)

    async def download(self, request: Request) -> Response:
        """Answer ``Download/file?uri=`` and ``retrieve_product?product_name=``."""
        uri = request.query_params.get("uri") or request.query_params.get("product_name") or ""
        name = uri.rsplit("/", 1)[-1]
        path = self.index.files.get(name)
        if path is None or name in self.faults.missing:
            return Response("not found", 404)
        if name in self.faults.proprietary and request.cookies.get("mast_token") != self.faults.token:
            return Response("not yours", 401)
        return file_response(request, path, self.faults)

    async def whoami(self, request: Request) -> Response:
        """Answer that the user is anonymous."""
        return JSONResponse({"anon": True, "ezid": "", "attrib": {}})

    def _products(self, ids: Iterable[str]) -> list[Row]:
        wanted = [text.strip() for text in ids]
        return [
            {"obsID": obsid, "obs_collection": "HST", "obs_id": root, "dataURI": f"mast:HST/product/{name}",
             "productType": "SCIENCE", "productSubGroupDescription": name.split("_")[1][:-5].upper(),
             "productFilename": name, "size": size, "parent_obsid": obsid, "project": "CALWF3",
             "calib_level": 2, "dataRights": "PUBLIC"}
            for obsid, row in ((obsid, self._by_obsid[obsid]) for obsid in wanted if obsid in self._by_obsid)
            for root, name, size in self.index.products(row)
        ]  # fmt: skip


def _mission_row(row: Row, dates: dict[str, str]) -> Row:
    name = row["dataset"].upper()
    return {
        "sci_data_set_name": name, "sci_targname": row["target_name"], "sci_instrume": "WFC3  ",
        "sci_spec_1234": row["filters"], "sci_aper_1234": row.get("aperture", "IR"),
        "sci_actual_duration": (row["stop_time"] - row["start_time"]) * DAY,
        "sci_start_time": dates["start_time"], "sci_stop_time": dates["stop_time"], "sci_pep_id": row["proposal_id"],
        "sci_pi_last_name": f"{row['pi']:<20}", "sci_asn_id": (row["asn_id"] or "none").upper(),
        "sci_instrument_config": f"{row['instrument_config']:<12}", "sci_sun_alt": row["sun_alt"],
        "sci_generation_date": dates["generation_date"], "sci_ra": row.get("ra", 0.0), "sci_dec": row.get("dec", 0.0),
        "ang_sep": None, "search_pos": None, "search_key": f"HST{name}",
    }  # fmt: skip


def _observation(index: int, row: Row) -> Row:
    return {
        "obsid": str(2_000_000_000 + index), "obs_id": row["dataset"], "obs_collection": "HST",
        "instrument_name": row["instrument_config"], "project": "HST", "provenance_name": "CALWF3",
        "filters": row["filters"], "target_name": row["target_name"], "proposal_id": str(row["proposal_id"]),
        "proposal_pi": row["pi"], "dataproduct_type": "image", "calib_level": 3 if row["asn_id"] else 2,
        "t_min": row["start_time"], "t_max": row["stop_time"],
        "t_exptime": (row["stop_time"] - row["start_time"]) * DAY, "s_ra": row.get("ra", 0.0),
        "s_dec": row.get("dec", 0.0),
        "dataURL": f"mast:HST/product/{row['dataset']}_drz.fits",
    }  # fmt: skip


def _text_of(column: str, row: Row) -> str:
    return str(row[column])


def _cone(params: dict[str, Any]) -> tuple[float, float, float] | None:
    """Return right ascension, declination and radius [deg] of a search around a position."""
    if "position" in params:
        ra, dec, radius = map(float, str(params["position"]).split(","))
        return ra, dec, radius
    return (float(params["ra"]), float(params["dec"]), float(params["radius"])) if "ra" in params else None


def _distance(ra1: float, dec1: float, ra2: float, dec2: float) -> float:
    """Return the angle between two directions [deg]."""
    return float(np.degrees(angular_separation(*np.radians([ra1, dec1, ra2, dec2]))))


def _condition(text: str) -> Callable[[Any], bool]:
    """Return the test for a condition: comma is OR; ``!x``, ``<x``, ``>=x``, ``a..b``, ``*``."""
    tests = [partial(_fulfils, part.strip()) for part in text.split(",")]
    return lambda value: value is not None and any(test(value) for test in tests)


def _fulfils(text: str, value: Any) -> bool:
    if ".." in text:
        low, high = text.split("..")
        return bool(_typed(low, value) <= value <= _typed(high, value))
    for sign, holds in _SIGNS.items():
        if text.startswith(sign):
            return bool(holds(value, _typed(text[len(sign) :], value)))
    return any(fnmatch.fnmatch(part, text.lower()) for part in str(value).strip().lower().split(";"))


def _typed(text: str, like: Any) -> Any:
    return text.strip().replace(" ", "T") if isinstance(like, str) else float(text)


def _passes(row: Row, criterion: dict[str, Any]) -> bool:
    value = row.get(criterion["paramName"])
    if value is None:
        return False
    patterns = [str(v).lower().replace("%", "*") for v in [criterion.get("freeText")] if v]
    for wanted in criterion["values"]:
        if isinstance(wanted, dict):
            if float(wanted["min"]) <= float(value) <= float(wanted["max"]):
                return True
        else:
            patterns.append(str(wanted).lower())
    return any(fnmatch.fnmatch(part, p) for part in str(value).lower().split(";") for p in patterns)


def _page(rows: list[Row], types: dict[str, str], body: dict[str, Any]) -> Response:
    size, page = int(body.get("pagesize") or 50000), int(body.get("page") or 1)
    part = rows[(page - 1) * size : page * size]
    pages = max(-(-len(rows) // size), 1)
    return JSONResponse({
        "status": "COMPLETE", "msg": "", "data": part, "fields": [{"name": n, "type": t} for n, t in types.items()],
        "paging": {"page": page, "pageSize": size, "pagesFiltered": pages, "rows": len(part),
                   "rowsFiltered": len(rows), "rowsTotal": len(rows)},
    })  # fmt: skip
