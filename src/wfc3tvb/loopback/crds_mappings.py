"""Make CRDS mappings for the reference files of a folder: context, instrument and reference mappings.

The rules follow the real WFC3/IR mappings (checked on context hst_0748): tables are selected by date only, darks by
sample sequence and subarray, flats by filter. Types without a file are N/A.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from pprint import pformat
from typing import Any

from astropy.io import fits

#: Number in the names of all mappings made here.
NUMBER = 9001
CONTEXT = f"hst_{NUMBER}.pmap"
#: Types of reference files, by the suffix of their names.
TYPES = {
    "bpx": "bpixtab", "ccd": "ccdtab", "crr": "crrejtab", "drk": "darkfile", "idc": "idctab", "imp": "imphttab",
    "lin": "nlinfile", "mdz": "mdriztab", "osc": "oscntab", "pfl": "pfltfile",
}  # fmt: skip
#: Types that WFC3/IR has no file for.
NOT_IR = (
    "atodtab", "biacfile", "biasfile", "d2imfile", "drkcfile", "flshfile", "npolfile", "pctetab", "satufile",
    "snkcfile",
)  # fmt: skip
_EARLIEST = "1991-01-01 00:00:00"


@dataclass(frozen=True)
class Rule:
    """Selection of references of a type: keywords besides DETECTOR, relevance and the switch that needs them."""

    keywords: tuple[str, ...] = ()
    relevance: str = "ALWAYS"
    switch: str = "NONE"
    parkey_relevance: Mapping[str, str] | None = None


_UVIS, _IR = '(DETECTOR == "UVIS")', '(DETECTOR == "IR")'
_RULES = {
    "bpixtab": Rule((), '(DQICORR != "OMIT")', "DQICORR"),
    "darkfile": Rule(
        ("CCDAMP", "BINAXIS1", "BINAXIS2", "CCDGAIN", "SAMP_SEQ", "SUBTYPE"),
        '(DARKCORR != "OMIT")',
        "DARKCORR",
        {"binaxis1": _UVIS, "binaxis2": _UVIS, "ccdgain": _IR, "samp_seq": _IR, "subtype": _IR},
    ),
    "imphttab": Rule((), '(PHOTCORR != "OMIT")', "PHOTCORR"),
    "mdriztab": Rule((), '(DRIZCORR != "OMIT")', "DRIZCORR"),
    "nlinfile": Rule((), _IR),
    "pfltfile": Rule(
        ("CCDAMP", "FILTER", "BINAXIS1", "BINAXIS2"),
        '((FILTER != "BLANK") and (FLATCORR != "OMIT"))',
        "FLATCORR",
        {"binaxis1": _UVIS, "binaxis2": _UVIS},
    ),
}


def make_mappings(references: Mapping[str, Path]) -> dict[str, str]:
    """Return the text of all mappings for `references`, by name; `CONTEXT` is the top one."""
    by_type: dict[str, list[Path]] = defaultdict(list)
    for name, path in sorted(references.items()):
        kind = TYPES.get(path.stem.rsplit("_", 1)[-1])
        if kind and name == path.name:
            by_type[kind].append(path)
    texts = {f"hst_wfc3_{kind}_{NUMBER}.rmap": _reference_mapping(kind, files) for kind, files in by_type.items()}
    absent = sorted({*TYPES.values(), *NOT_IR} - set(by_type))
    instrument = {kind: f"hst_wfc3_{kind}_{NUMBER}.rmap" for kind in by_type} | dict.fromkeys(absent, "N/A")
    imap = f"hst_wfc3_{NUMBER}.imap"
    texts[imap] = _mapping({"mapping": "INSTRUMENT", "name": imap, "instrument": "WFC3", "parkey": ("REFTYPE",)},
                           _dictionary(instrument))  # fmt: skip
    texts[CONTEXT] = _mapping({"mapping": "PIPELINE", "name": CONTEXT, "parkey": ("INSTRUME",)},
                              _dictionary({"WFC3": imap}))  # fmt: skip
    return texts


def _reference_mapping(kind: str, files: list[Path]) -> str:
    rule = _RULES.get(kind, Rule())
    header: dict[str, Any] = {
        "mapping": "REFERENCE",
        "name": f"hst_wfc3_{kind}_{NUMBER}.rmap",
        "instrument": "WFC3",
        "filekind": kind.upper(),
        "parkey": (("DETECTOR", *rule.keywords), ("DATE-OBS", "TIME-OBS")),
        "reffile_format": "IMAGE" if kind.endswith("file") else "TABLE",
        "reffile_required": "NONE",
        "reffile_switch": rule.switch,
        "rmap_relevance": rule.relevance,
    }
    if rule.parkey_relevance:
        header["parkey_relevance"] = dict(rule.parkey_relevance)
    cases: dict[tuple[Any, ...], dict[str, str]] = defaultdict(dict)
    for path in files:
        keywords = fits.getheader(path, 0)
        case = ("IR", *(_value(keywords, name) for name in rule.keywords))
        cases[case][_use_after(keywords)] = path.name
    body = "".join(
        f"    {case!r} : UseAfter({{\n"
        + "".join(f"        {date!r} : {name!r},\n" for date, name in sorted(dates.items()))
        + "    }),\n"
        for case, dates in sorted(cases.items(), key=str)
    )
    return _mapping(header, f"Match({{\n{body}}})")


def _mapping(header: Mapping[str, Any], selector: str) -> str:
    """Return the text of a mapping with its checksum: the SHA-1 of all lines except the one that names it."""
    header = {"observatory": "HST", "derived_from": "reference files of a folder", "sha1sum": "", **header}
    lines = f"header = {_dictionary(header)}\n\nselector = {selector}\n".splitlines(keepends=True)
    digest = hashlib.sha1("".join(line for line in lines if "sha1sum" not in line).encode()).hexdigest()
    return "".join(line.replace("''", repr(digest)) if "sha1sum" in line else line for line in lines)


def _dictionary(values: Mapping[str, Any]) -> str:
    return "{\n" + "".join(f"    {k!r} : {pformat(v, width=400)},\n" for k, v in sorted(values.items())) + "}"


def _value(header: fits.Header, keyword: str) -> str | float:
    """Return a keyword's value in the form of a rule; a missing one, or ANY, is N/A."""
    value = header.get(keyword, "N/A")
    if isinstance(value, str):
        text = value.strip().upper()
        return text if text not in ("", "ANY") else "N/A"
    return float(value)


def _use_after(header: fits.Header) -> str:
    """Return USEAFTER of a reference in the form used in mappings."""
    text = str(header.get("USEAFTER", "")).strip()
    for form in ("%b %d %Y %H:%M:%S", "%b %d %Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%d/%m/%Y"):
        try:
            return datetime.strptime(text, form).strftime("%Y-%m-%d %H:%M:%S")
        except ValueError:
            continue
    return _EARLIEST
