"""Translate the geometry of ADQL (points, circles, boxes, polygons) into SQL with the macros of `catalog.vo.regions`.

A shape is known by its kind while a query is translated, so that each pair of shapes has its own expression. A box has
great circles for sides. Coordinate systems are accepted and ignored: all positions of the catalog are ICRS.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from wfc3tvb.catalog.vo.regions import FOOTPRINT_REACH

_AsSql = Callable[[exp.Expr], str]
#: Functions of ADQL that make or use shapes.
GEOMETRY = ("AREA", "BOX", "CENTROID", "CIRCLE", "CONTAINS", "COORD1", "COORD2", "COORDSYS", "DISTANCE", "INTERSECTS",
            "POINT", "POLYGON", "REGION")  # fmt: skip
_SYSTEMS = "a coordinate system in quotes, such as 'ICRS'"


class NotAShapeError(ValueError):
    """Argument of a geometric function that is not one."""


@dataclass(frozen=True)
class Point:
    """Direction: SQL of right ascension and declination [deg]."""

    ra: str
    dec: str

    @property
    def text(self) -> str:
        """SQL of its text."""
        return _joined("POSITION ICRS", self.ra, self.dec)


@dataclass(frozen=True)
class Circle:
    """Circle: SQL of right ascension and declination of its center, and its radius [deg]."""

    ra: str
    dec: str
    radius: str

    @property
    def text(self) -> str:
        """SQL of its text."""
        return _joined("CIRCLE ICRS", self.ra, self.dec, self.radius)


@dataclass(frozen=True)
class Polygon:
    """Polygon: SQL of its text, as in `catalog.vo.regions`; `footprint` where it is a column of the catalog."""

    text: str
    footprint: bool = False


Shape = Point | Circle | Polygon


def translate_geometry(node: exp.Anonymous, as_sql: _AsSql) -> str:
    """Return the SQL of a geometric function.

    Parameters
    ----------
    node : Anonymous
        Call of one of `GEOMETRY`.
    as_sql : callable
        Translates an argument that is not a shape.

    Raises
    ------
    NotAShapeError
        If an argument is missing or of another kind.
    """
    name, arguments = node.name.upper(), node.expressions
    if name == "DISTANCE" and len(arguments) == 4:  # ADQL 2.1 also takes four numbers
        return f"separation({', '.join(map(as_sql, arguments))})"
    if name in ("CONTAINS", "INTERSECTS", "DISTANCE"):
        first, second = (_shape(argument, as_sql) for argument in _several(name, arguments, 2))
        return _PAIRS[name](first, second)
    if name in ("AREA", "CENTROID", "COORD1", "COORD2", "COORDSYS"):
        return _SINGLE[name](_shape(_several(name, arguments, 1)[0], as_sql))
    return _shape(node, as_sql).text


def _shape(node: exp.Expr, as_sql: _AsSql) -> Shape:
    """Return the shape of an argument."""
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.Column):
        return Polygon(as_sql(node), footprint=True)
    if isinstance(node, exp.Anonymous) and node.name.upper() in _SHAPES:
        return _SHAPES[node.name.upper()](_coordinates(node), as_sql)
    if isinstance(node, exp.Anonymous) and node.name.upper() == "CENTROID":
        return _center(_shape(_several("CENTROID", node.expressions, 1)[0], as_sql))
    raise NotAShapeError(f"{node.sql()[:60]} is not a shape; write POINT, CIRCLE, BOX, POLYGON or a column of regions")


def _coordinates(node: exp.Anonymous) -> list[exp.Expr]:
    """Return the arguments of a shape without its coordinate system, and a leading POINT as two numbers."""
    found = list(node.expressions)
    if found and isinstance(found[0], exp.Literal) and found[0].is_string and node.name.upper() != "REGION":
        del found[0]
    flat: list[exp.Expr] = []
    for each in found:
        is_point = isinstance(each, exp.Anonymous) and each.name.upper() == "POINT"
        flat += _coordinates(each) if is_point else [each]
    return flat


def _several(name: str, arguments: Sequence[exp.Expr], number: int) -> Sequence[exp.Expr]:
    if len(arguments) != number:
        raise NotAShapeError(f"{name} takes {number} argument{'s' * (number > 1)}, and {len(arguments)} were given")
    return arguments


def _point(arguments: Sequence[exp.Expr], as_sql: _AsSql) -> Shape:
    return Point(*map(as_sql, _numbers("POINT", arguments, 2)))


def _circle(arguments: Sequence[exp.Expr], as_sql: _AsSql) -> Shape:
    return Circle(*map(as_sql, _numbers("CIRCLE", arguments, 3)))


def _box(arguments: Sequence[exp.Expr], as_sql: _AsSql) -> Shape:
    """Return the polygon of a box, whose width is an angle on the sky at its center."""
    ra, dec, width, height = map(as_sql, _numbers("BOX", arguments, 4))
    step = f"({width}) / 2 / cos(radians({dec}))"
    corners = [(f"{ra} {a} {step}", f"{dec} {b} ({height}) / 2") for a, b in ("--", "-+", "++", "+-")]
    return Polygon(_joined("POLYGON ICRS", *(part for corner in corners for part in corner)))


def _polygon(arguments: Sequence[exp.Expr], as_sql: _AsSql) -> Shape:
    if len(arguments) < 6 or len(arguments) % 2:
        raise NotAShapeError(f"POLYGON takes {_SYSTEMS}, and right ascension and declination of three or more corners")
    return Polygon(_joined("POLYGON ICRS", *map(as_sql, _numbers("POLYGON", arguments, len(arguments)))))


def _region(arguments: Sequence[exp.Expr], as_sql: _AsSql) -> Shape:
    """Return the shape of a text such as CIRCLE ICRS 150.1 2.2 0.1."""
    text = arguments[0].name if len(arguments) == 1 and isinstance(arguments[0], exp.Literal) else ""
    kind, *words = text.upper().replace("ICRS", " ").split() if text.strip() else [""]
    try:
        numbers = [exp.Literal.number(repr(float(word))) for word in words]
    except ValueError:
        numbers = []
    if kind not in ("POSITION", "CIRCLE", "BOX", "POLYGON") or not numbers:
        raise NotAShapeError(f"REGION({text[:60]!r}): write POSITION, CIRCLE, BOX or POLYGON, ICRS, and numbers")
    return _SHAPES["POINT" if kind == "POSITION" else kind](numbers, as_sql)


def _numbers(name: str, arguments: Sequence[exp.Expr], number: int) -> Sequence[exp.Expr]:
    """Return the arguments of a shape if there are so many, and none is text."""
    if len(arguments) != number or any(isinstance(each, exp.Literal) and each.is_string for each in arguments):
        raise NotAShapeError(f"{name} takes {_SYSTEMS}, and {number} numbers [deg]")
    return arguments


_SHAPES: dict[str, Callable[[Sequence[exp.Expr], _AsSql], Shape]] = {
    "POINT": _point, "CIRCLE": _circle, "BOX": _box, "POLYGON": _polygon, "REGION": _region,
}  # fmt: skip


def _contains(inner: Shape, outer: Shape) -> str:
    """Return 1 if the second shape contains the first, else 0."""
    if isinstance(outer, Point):
        raise NotAShapeError("CONTAINS: the second shape is a POINT, which contains nothing")
    if isinstance(inner, Polygon):
        found = _polygon_within(inner, outer)
    elif isinstance(outer, Circle):
        radius = f" + {inner.radius}" if isinstance(inner, Circle) else ""
        found = f"{_separation(inner, outer)}{radius} <= {outer.radius}"
    else:
        found = f"region_contains({outer.text}, {inner.ra}, {inner.dec})"
        if isinstance(inner, Circle):
            found += f" AND region_edge_distance({outer.text}, {inner.ra}, {inner.dec}) >= {inner.radius}"
        found = _if_near(outer, inner, found)
    return f"CAST({found} AS INTEGER)"


def _polygon_within(inner: Polygon, outer: Circle | Polygon) -> str:
    if isinstance(outer, Polygon):
        return f"region_within({inner.text}, {outer.text})"
    return _if_near(inner, outer, f"region_reach({inner.text}, {outer.ra}, {outer.dec}) <= {outer.radius}")


def _intersects(one: Shape, other: Shape) -> str:
    """Return 1 if two shapes have a point in common, else 0."""
    if isinstance(one, Point):
        return _contains(one, other)
    if isinstance(other, Point):
        return _contains(other, one)
    if isinstance(one, Polygon) and isinstance(other, Polygon):
        found = f"regions_overlap({one.text}, {other.text})"
    elif isinstance(one, Circle) and isinstance(other, Circle):
        found = f"{_separation(one, other)} <= {one.radius} + {other.radius}"
    else:
        polygon, circle = (one, other) if isinstance(one, Polygon) else (other, one)
        assert isinstance(polygon, Polygon)
        assert isinstance(circle, Circle)
        near = f"region_distance({polygon.text}, {circle.ra}, {circle.dec}) <= {circle.radius}"
        found = _if_near(polygon, circle, near)
    return f"CAST({found} AS INTEGER)"


def _distance(one: Shape, other: Shape) -> str:
    if not isinstance(one, Point) or not isinstance(other, Point):
        raise NotAShapeError("DISTANCE is between two POINTs")
    return _separation(one, other)


def _if_near(polygon: Polygon, place: Point | Circle, condition: str) -> str:
    """Return a condition that is not computed for footprints far away: each takes some microseconds."""
    if not polygon.footprint:
        return condition
    reach = f"{FOOTPRINT_REACH} + {place.radius}" if isinstance(place, Circle) else f"{FOOTPRINT_REACH}"
    near = f"region_near({polygon.text}, {place.ra}, {place.dec}, {reach})"
    return f"CASE WHEN {near} THEN {condition} ELSE FALSE END"


def _area(shape: Shape) -> str:
    """Return an area [deg2]."""
    if isinstance(shape, Point):
        return "0.0"
    if isinstance(shape, Circle):
        return f"2 * pi() * (1 - cos(radians({shape.radius}))) * degrees(1) ** 2"
    return f"region_area({shape.text})"


def _center(shape: Shape) -> Point:
    if isinstance(shape, Polygon):
        raise NotAShapeError("CENTROID of a polygon is not supported; take the columns of a position, e.g. s_ra, s_dec")
    return Point(shape.ra, shape.dec)


def _coordinate(shape: Shape, name: str) -> str:
    if not isinstance(shape, Point):
        raise NotAShapeError("COORD1 and COORD2 are of a POINT")
    return str(getattr(shape, name))


def _separation(one: Point | Circle, other: Point | Circle) -> str:
    return f"separation({one.ra}, {one.dec}, {other.ra}, {other.dec})"


def _joined(*parts: str) -> str:
    """Return the SQL of a text: words of the first part, and numbers."""
    return f"concat_ws(' ', '{parts[0]}', {', '.join(parts[1:])})"


_PAIRS = {"CONTAINS": _contains, "INTERSECTS": _intersects, "DISTANCE": _distance}
_SINGLE: dict[str, Callable[[Shape], str]] = {
    "AREA": _area, "CENTROID": lambda shape: _center(shape).text, "COORD1": lambda shape: _coordinate(shape, "ra"),
    "COORD2": lambda shape: _coordinate(shape, "dec"), "COORDSYS": lambda shape: "'ICRS'",
}  # fmt: skip
