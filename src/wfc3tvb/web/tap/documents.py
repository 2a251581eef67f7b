"""Documents of the service: availability, capabilities and examples (VOSI 1.1, TAPRegExt 1.0, DALI 1.1)."""

from __future__ import annotations

from xml.sax.saxutils import escape

from wfc3tvb.web.tap.parameters import FORMATS, LANGUAGES, LARGEST_MAXREC, MAXREC

#: Examples in ADQL: name, what it finds, query.
EXAMPLES = (
    (
        "worst_exposures",
        "The exposures that the variable background damages most, with the recommended repair.",
        "SELECT TOP 20 rootname, target_name, filter, tvb_score, tvb_class, recommend\n"
        "FROM wfc3tvb.exposures WHERE flagged = 'true' ORDER BY tvb_score DESC",
    ),
    (
        "covers_position",
        "The exposures whose frame covers a position.",
        "SELECT obs_id, filter, t_exptime, tvb_class, sky_mean, access_url\n"
        "FROM ivoa.obscore WHERE 1 = CONTAINS(POINT('ICRS', 150.1, 2.3), s_region)",
    ),
    (
        "cone",
        "The exposures within 0.2 deg of a position, the nearest first.",
        "SELECT rootname, filter, ra, dec, DISTANCE(POINT('ICRS', ra, dec), POINT('ICRS', 150.1, 2.3)) AS away\n"
        "FROM wfc3tvb.exposures\n"
        "WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', 150.1, 2.3, 0.2)) ORDER BY away",
    ),
    (
        "overlap_polygon",
        "The exposures whose frame overlaps a polygon.",
        "SELECT obs_id, filter, s_region FROM ivoa.obscore\n"
        "WHERE 1 = INTERSECTS(s_region, POLYGON('ICRS', 149.9, 2.1, 150.3, 2.1, 150.3, 2.5, 149.9, 2.5))",
    ),
    (
        "damage_by_filter",
        "Number of exposures of every filter and class.",
        "SELECT filter, tvb_class, COUNT(*) AS n_exposures, AVG(sky_mean) AS mean_sky\n"
        "FROM wfc3tvb.exposures GROUP BY filter, tvb_class ORDER BY filter, tvb_class",
    ),
    (
        "reads_in_sunlight",
        "The sky in every used read of the exposures of a class, with the altitude of the Sun.",
        'SELECT TOP 1000 e.rootname, r."read", r.rate, r.sun_alt\n'
        "FROM wfc3tvb.exposures AS e JOIN wfc3tvb.reads AS r ON r.rootname = e.rootname\n"
        "WHERE e.tvb_class = 'severe' AND r.used = 'true' AND r.sun_alt > 0",
    ),
)
_STANDARD = "ivo://ivoa.net/std"
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_CAPABILITIES = (
    f'{_HEAD}<vosi:capabilities xmlns:vosi="http://www.ivoa.net/xml/VOSICapabilities/v1.0"'
    ' xmlns:vr="http://www.ivoa.net/xml/VOResource/v1.0" xmlns:vs="http://www.ivoa.net/xml/VODataService/v1.1"'
    ' xmlns:tr="http://www.ivoa.net/xml/TAPRegExt/v1.0" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\n'
)
_TAP = """<capability standardID="{standard}/TAP" xsi:type="tr:TableAccess">{interface}
<dataModel ivo-id="{standard}/ObsCore#core-1.1">ObsCore-1.1</dataModel>
{languages}{formats}<executionDuration><default>{seconds}</default><hard>{seconds}</hard></executionDuration>
<outputLimit><default unit="row">{default}</default><hard unit="row">{hard}</hard></outputLimit>
</capability>"""
_FEATURES = ("AREA", "BOX", "CENTROID", "CIRCLE", "CONTAINS", "COORD1", "COORD2", "COORDSYS", "DISTANCE",
             "INTERSECTS", "POINT", "POLYGON", "REGION")  # fmt: skip
_OPTIONAL = {
    "features-adql-string": ("LOWER", "UPPER", "ILIKE"), "features-adql-common-table": ("WITH",),
    "features-adql-sets": ("UNION", "EXCEPT", "INTERSECT"), "features-adql-type": ("CAST",),
    "features-adql-offset": ("OFFSET",),
}  # fmt: skip


def availability(since: str) -> str:
    """Return the document of VOSI-availability; `since` is the date of the start (ISO 8601, UTC)."""
    return (
        f'{_HEAD}<vosi:availability xmlns:vosi="http://www.ivoa.net/xml/VOSIAvailability/v1.0">'
        f"<vosi:available>true</vosi:available><vosi:upSince>{since}</vosi:upSince></vosi:availability>\n"
    )


def capabilities(base: str, seconds: float) -> str:
    """Return the document of VOSI-capabilities.

    Parameters
    ----------
    base : str
        Address of the service.
    seconds : float
        Longest time of a query.
    """
    resources = [
        _capability(f"VOSI#{name}", _interface("vs:ParamHTTP", f"{base}/{name}", 'role="std"'))
        for name in ("capabilities", "availability")
    ]
    resources += [
        _capability("VOSI#tables-1.1", _interface("vs:ParamHTTP", f"{base}/tables", 'role="std" version="1.1"')),
        _capability("DALI#examples", _interface("vr:WebBrowser", f"{base}/examples", "")),
        _TAP.format(
            standard=_STANDARD, languages=_languages(), formats=_formats(), seconds=round(seconds), default=MAXREC,
            interface=_interface("vs:ParamHTTP", base, 'role="std" version="1.1"', "base"), hard=LARGEST_MAXREC,
        ),
    ]  # fmt: skip
    return _CAPABILITIES + "\n".join(resources) + "\n</vosi:capabilities>\n"


def _capability(name: str, interface: str) -> str:
    return f'<capability standardID="{_STANDARD}/{name}">{interface}</capability>'


def _interface(kind: str, address: str, attributes: str, use: str = "full") -> str:
    url = f'<accessURL use="{use}">{escape(address)}</accessURL>'
    return f'<interface xsi:type="{kind}" {attributes}>{url}</interface>'


def _languages() -> str:
    """Return the languages with the optional features of ADQL."""
    versions = "".join(
        f'<version ivo-id="{_STANDARD}/ADQL#v{version}">{version}</version>' for version in LANGUAGES["ADQL"]
    )
    features = _feature_list("features-adqlgeo", _FEATURES)
    features += "".join(_feature_list(kind, names) for kind, names in _OPTIONAL.items())
    adql = f"<language><name>ADQL</name>{versions}<description>ADQL 2.0, and much of 2.1</description>{features}"
    version = LANGUAGES["DUCKDB"][0]
    duckdb = f"<language><name>DUCKDB</name><version>{version}</version><description>SQL of DuckDB, reading only"
    return f"{adql}</language>\n{duckdb}</description></language>\n"


def _feature_list(kind: str, names: tuple[str, ...]) -> str:
    features = "".join(f"<feature><form>{name}</form></feature>" for name in names)
    return f'<languageFeatures type="{_STANDARD}/TAPRegExt#{kind}">{features}</languageFeatures>'


def _formats() -> str:
    return "".join(
        f"<outputFormat><mime>{each.media_type}</mime><alias>{each.aliases[0]}</alias></outputFormat>\n"
        for each in FORMATS
    )


def examples_page() -> str:
    """Return the page of examples (DALI 1.1, section 2.3)."""
    body = "\n".join(
        f'<div id="{name}" resource="#{name}" typeof="example"><h2 property="name">{name}</h2>\n<p>{escape(text)}</p>\n'
        f'<pre property="query">{escape(query)}</pre></div>'
        for name, text, query in EXAMPLES
    )
    return (
        f'{_HEAD}<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Examples</title></head>\n'
        f'<body vocab="ivo://ivoa.net/std/DALI#examples">\n<h1>Examples of queries in ADQL</h1>\n{body}\n'
        "</body></html>\n"
    )
