"""Headers of raw exposures, support files and associations, in the order, types and units of real ones.

The folder ``keywords`` lists the keywords of each header with their defaults; this module fills in what an exposure
determines. Sources: headers of public WFC3/IR files; WFC3 Data Handbook, section 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.time import Time

from wfc3tvb.curve.geometry import direction, sun_direction
from wfc3tvb.dates import DAY
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.optics import XREF, YREF
from wfc3tvb.simulate.orbit import moon_direction
from wfc3tvb.simulate.plan import LEAD, ExposurePlan, Float64Array
from wfc3tvb.simulate.timing import zeroth_read_time

#: Kinds of extension in a group, in their order.
KINDS = ("SCI", "ERR", "DQ", "SAMP", "TIME")


@cache
def _template(name: str) -> fits.Header:
    text = files("wfc3tvb.simulate").joinpath("keywords", f"{name}.txt").read_text(encoding="ascii")
    return fits.Header.fromstring(text.rstrip("\n"), sep="\n")


def filled(name: str, values: Mapping[str, Any]) -> fits.Header:
    """Return the header of that template with `values` in it; `KeyError` if the template lacks one of them."""
    header = _template(name).copy()
    for keyword, value in values.items():
        if keyword not in header:
            raise KeyError(f"{keyword} is not in the template {name}")
        header[keyword] = value
    return header


def primary_header(
    plan: ExposurePlan, frame: Frame, references: Mapping[str, str], association: str | None = None
) -> fits.Header:
    """Return the primary header of a raw exposure.

    Parameters
    ----------
    plan : ExposurePlan
        The exposure.
    frame : Frame
        Its frame.
    references : mapping
        Names of the reference files by keyword, without ``iref$``.
    association : str or None
        Name of the association, if it is a member of one.
    """
    times = plan.times(frame.size)
    values = (
        identity(plan)
        | _schedule(plan, times)
        | {
            "LINENUM": f"{plan.rootname[4:6].upper()}.001",
            "PA_V3": plan.target.pa_v3,
            "NEXTEND": 5 * plan.nsamp,
            "FILENAME": f"{plan.rootname}_raw.fits",
            "SUBARRAY": not frame.is_full,
            "SUBTYPE": frame.subtype,
            "FILTER": plan.filter,
            "SAMP_SEQ": plan.samp_seq,
            "NSAMP": plan.nsamp,
            "SAMPZERO": round(zeroth_read_time(times), 6),
            "APERTURE": frame.aperture,
            "POSTARG1": plan.postarg[0],
            "POSTARG2": plan.postarg[1],
        }
    )
    values |= {keyword: f"iref${name}" for keyword, name in references.items()}
    if association:
        values |= {"ASN_ID": association.upper(), "ASN_TAB": f"{association}_asn.fits", "ASN_MTYP": "EXP-DTH"}
    return filled("raw_primary", values)


def identity(plan: ExposurePlan, rootname: str | None = None) -> dict[str, Any]:
    """Return the keywords that identify exposure and target; the date is the day after it was taken.

    Parameters
    ----------
    plan : ExposurePlan
        The exposure.
    rootname : str, optional
        Name of the association, whose own header describes its first exposure.
    """
    return {
        "DATE": Time(plan.start + 1, format="mjd").strftime("%Y-%m-%d"),
        "ROOTNAME": rootname or plan.rootname,
        "TARGNAME": plan.target.name,
        "RA_TARG": plan.target.ra,
        "DEC_TARG": plan.target.dec,
        "PROPOSID": plan.target.proposal,
    }


def _schedule(plan: ExposurePlan, times: Float64Array) -> dict[str, Any]:
    """Return the keywords of time and of the directions of Sun and Moon."""
    start = Time(plan.start, format="mjd")
    target, when = direction(plan.target.ra, plan.target.dec), np.array([plan.start])
    return {
        "DATE-OBS": start.strftime("%Y-%m-%d"),
        "TIME-OBS": start.strftime("%H:%M:%S"),
        "EXPSTART": round(plan.start, 8),
        "EXPEND": round(plan.start + float(times[-1]) / DAY, 8),
        "EXPTIME": round(float(times[-1]), 6),
        "PROCTIME": round(plan.start + 1, 8),
        "SUNANGLE": _angle(target, sun_direction(when)[0]),
        "MOONANGL": _angle(target, moon_direction(plan.start)),
        "SUN_ALT": round(float(plan.sun_alt(np.array([-LEAD]))[0]), 6),  # at PSTRTIME
    }


def _angle(a: Float64Array, b: Float64Array) -> float:
    return round(float(np.degrees(np.arccos(np.clip(a @ b, -1, 1)))), 6)


def extension_headers(plan: ExposurePlan, frame: Frame, read: int) -> dict[str, fits.Header]:
    """Return the five headers of a read's group by kind.

    Parameters
    ----------
    plan : ExposurePlan
        The exposure.
    frame : Frame
        Its frame.
    read : int
        0 for the zeroth; its group is the file's last.
    """
    times = plan.times(frame.size)
    names = {"EXTVER": plan.nsamp - read, "ROOTNAME": plan.rootname, "EXPNAME": plan.rootname}
    common = names | _world(plan, frame)
    size = {"NPIX1": frame.raw, "NPIX2": frame.raw}
    offset = {"LTV1": float(frame.ltv), "LTV2": float(frame.ltv), "VAFACTOR": plan.pointing.vafactor}
    values: dict[str, dict[str, Any]] = {
        "SCI": offset | _aperture(plan) | _readout(plan, frame, times, read),
        "ERR": offset,
        "DQ": offset,
        "SAMP": size | {"PIXVALUE": read + 1},
        "TIME": size | {"PIXVALUE": float(times[read])},
    }
    headers = {kind: filled(f"raw_{kind.lower()}", common | values[kind]) for kind in KINDS}
    for kind, empty in (("ERR", 0.0), ("DQ", 0)):
        constant = (("NPIX1", frame.raw), ("NPIX2", frame.raw), ("PIXVALUE", empty))
        for keyword, value in reversed(constant):
            headers[kind].insert("BUNIT", (keyword, value, _template("raw_samp").comments[keyword]), after=True)
    return headers


def _world(plan: ExposurePlan, frame: Frame) -> dict[str, float]:
    pointing, cd = plan.pointing, plan.pointing.cd()
    return {
        "CRPIX1": XREF + frame.ltv,
        "CRPIX2": YREF + frame.ltv,
        "CRVAL1": pointing.ra,
        "CRVAL2": pointing.dec,
        **{f"CD{i + 1}_{j + 1}": float(cd[i, j]) for i in (0, 1) for j in (0, 1)},
    }


def _aperture(plan: ExposurePlan) -> dict[str, float]:
    pointing = plan.pointing
    angle = round((pointing.pa_aperture + 180) % 360 - 180, 6)
    return {"PA_APER": angle, "ORIENTAT": angle, "RA_APER": pointing.ra, "DEC_APER": pointing.dec}


def _readout(plan: ExposurePlan, frame: Frame, times: Float64Array, read: int) -> dict[str, Any]:
    return {
        "SIZAXIS1": frame.raw,
        "SIZAXIS2": frame.raw,
        "SAMPNUM": read,
        "SAMPTIME": float(times[read]),
        "DELTATIM": round(float(times[read] - times[max(read - 1, 0)]), 6),
        "ROUTTIME": plan.start + float(times[read]) / DAY,
    }
