"""SQL macros for regions on the sky: separations of directions, and polygons such as the footprints of exposures.

A region is text as in ObsCore: ``POLYGON ICRS`` and right ascension and declination of its corners [deg]. It must be
smaller than a hemisphere; its sides are great circles, and the order of its corners does not matter to the macros.

Sources: the angle that a side subtends at a point, from Van Oosterom and Strackee 1983, IEEE Trans. Biomed. Eng. 30,
125; area as the sum of the solid angles of triangles, same paper.
"""

from __future__ import annotations

import re

#: A list of one element, so that an expression used several times is computed once: macros have no variables. The
#: names of lambdas must differ from those that surround the macro where it is used.
_WITH = "list_transform([{value}], lambda {name}: {result})[1]"


def _let(name: str, value: str, result: str) -> str:
    return _WITH.format(name=name, value=value, result=result)


def _each(name: str, values: str, result: str) -> str:
    return f"list_transform({values}, lambda {name}: {result})"


_SIDES = "range(1, len(corners) + 1)"
_NEXT = "corners[i % len(corners) + 1]"

#: Signature and expression of every macro; each uses only those before it. Angles are in degrees.
MACROS = {
    # Haversine: exact at small separations.
    "separation(ra1, dec1, ra2, dec2)": "degrees(2 * asin(least(1, sqrt(sin(radians(dec2 - dec1) / 2) ** 2"
    " + cos(radians(dec1)) * cos(radians(dec2)) * sin(radians(ra2 - ra1) / 2) ** 2))))",
    "sky_vector(ra, dec)": "array_value(cos(radians(dec)) * cos(radians(ra)), cos(radians(dec)) * sin(radians(ra)),"
    " sin(radians(dec)))",
    # The exact angle of two unit vectors at any separation.
    "vector_angle(a, b)": "degrees(2 * asin(least(1, array_distance(a, b) / 2)))",
    "region_corners(region)": _let(
        "x",
        _each("word", "string_split(region, ' ')[3:]", "CAST(word AS DOUBLE)"),
        _each("k", "range(1, len(x), 2)", "sky_vector(x[k], x[k + 1])"),
    ),
    # The sides subtend 360 deg at a point within, and 0 at one outside.
    "corners_contain(corners, p)": "array_inner_product(corners[1], p) > 0 AND abs(list_sum("
    + _each(
        "i",
        _SIDES,
        _let(
            "following",
            _NEXT,
            "atan2(array_inner_product(p, array_cross_product(corners[i], following)), array_inner_product(corners[i],"
            " following) - array_inner_product(corners[i], p) * array_inner_product(following, p))",
        ),
    )
    + ")) > pi()",
    "region_contains(region, ra, dec)": _let("c", "region_corners(region)", "corners_contain(c, sky_vector(ra, dec))"),
    # Nearest point of a side: on its great circle if the point is beside it, else an end.
    "side_distance(a, b, p)": _let(
        "normal",
        "array_cross_product(a, b)",
        "CASE WHEN array_inner_product(array_cross_product(normal, a), p) >= 0"
        " AND array_inner_product(array_cross_product(b, normal), p) >= 0"
        " THEN degrees(asin(least(1, abs(array_inner_product(normal, p)) / sqrt(array_inner_product(normal, normal)))))"
        " ELSE least(vector_angle(a, p), vector_angle(b, p)) END",
    ),
    "edge_distance(corners, p)": "list_min(" + _each("i", _SIDES, f"side_distance(corners[i], {_NEXT}, p)") + ")",
    "region_edge_distance(region, ra, dec)": _let(
        "c", "region_corners(region)", "edge_distance(c, sky_vector(ra, dec))"
    ),
    "region_distance(region, ra, dec)": _let(
        "c",
        "region_corners(region)",
        "CASE WHEN corners_contain(c, sky_vector(ra, dec)) THEN 0 ELSE edge_distance(c, sky_vector(ra, dec)) END",
    ),
    # Largest separation of a corner.
    "region_reach(region, ra, dec)": "list_max("
    + _each("corner", "region_corners(region)", "vector_angle(corner, sky_vector(ra, dec))")
    + ")",
    # Sides that touch cross (within 1e-7 arcsec for footprints), so that a region overlaps itself.
    "sides_cross(a, b, c, d)": "array_inner_product(a, c) > 0"
    " AND array_inner_product(array_cross_product(a, b), c) * array_inner_product(array_cross_product(a, b), d)"
    " < 1e-22"
    " AND array_inner_product(array_cross_product(c, d), a) * array_inner_product(array_cross_product(c, d), b)"
    " < 1e-22",
    "edges_cross(corners, others)": "list_bool_or(list_transform(range(1, len(corners) + 1), lambda i:"
    " list_bool_or(list_transform(range(1, len(others) + 1), lambda j: sides_cross(corners[i],"
    " corners[i % len(corners) + 1], others[j], others[j % len(others) + 1])))))",
    "corners_overlap(a, b)": "corners_contain(a, b[1]) OR corners_contain(b, a[1]) OR edges_cross(a, b)",
    "regions_overlap(region1, region2)": _let(
        "one", "region_corners(region1)", _let("two", "region_corners(region2)", "corners_overlap(one, two)")
    ),
    "region_within(region1, region2)": "region1 = region2 OR "
    + _let(
        "one",
        "region_corners(region1)",
        _let("two", "region_corners(region2)", "corners_contain(two, one[1]) AND NOT edges_cross(one, two)"),
    ),
    # Square degrees; triangles from the first corner.
    "region_area(region)": _let(
        "c",
        "region_corners(region)",
        "abs(list_sum("
        + _each(
            "i",
            "range(2, len(c))",
            "2 * atan2(array_inner_product(c[1], array_cross_product(c[i], c[i + 1])), 1"
            " + array_inner_product(c[1], c[i]) + array_inner_product(c[i], c[i + 1])"
            " + array_inner_product(c[i + 1], c[1]))",
        )
        + ")) * degrees(1) ** 2",
    ),
    # False for most regions, and quick: whether the first corner lies within `reach` of a direction.
    "region_near(region, ra, dec, reach)": "separation(CAST(split_part(region, ' ', 3) AS DOUBLE),"
    " CAST(split_part(region, ' ', 4) AS DOUBLE), ra, dec) <= reach",
}

_NAMES = re.compile("|".join(signature.partition("(")[0] for signature in MACROS), re.IGNORECASE)

#: Largest separation of two points of a footprint, and a margin [deg].
FOOTPRINT_REACH = 0.06


def uses_macros(text: str) -> bool:
    """Return whether a statement may use a macro."""
    return _NAMES.search(text) is not None


def macro_statements() -> tuple[str, ...]:
    """Return the statements that create the macros in a connection of DuckDB (1.0 and newer)."""
    return tuple(f"CREATE OR REPLACE MACRO {signature} AS {expression}" for signature, expression in MACROS.items())
