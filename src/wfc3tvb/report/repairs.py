"""Pictures of a repair: exposures and drizzled images, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from wfc3tvb.exposure import Row
from wfc3tvb.io.images import read_drz, read_flt
from wfc3tvb.report.figures import Pane, common_stretch, images_figure, zoom_figure

#: Name, title, caption, figure.
Picture = tuple[str, str, str, Figure]


def repair_figures(exposures: Sequence[Row], products: Sequence[Row]) -> Iterator[Picture]:
    """Yield the pictures of a visit's repairs; none where the products are gone.

    Parameters
    ----------
    exposures : rows of `exposures`
        Of the visit.
    products : rows of `reprocessed`
        Of the visit.
    """
    shown = [row for row in products if row["path"] and Path(row["path"]).exists() and before_of(row).exists()]
    flts = [row for row in shown if row["kind"] == "flt"]
    repaired = [row for row in flts if row["method"] != "perform"]
    if pair := _clean_and_hit(exposures, flts):
        yield pair
    for row in repaired:
        yield _exposure(row)
    for row in repaired:
        yield _zoom(row)
    for row in shown:
        if row["kind"] == "drz":
            yield _drizzled(row)


def before_of(row: Row) -> Path:
    """Return where the archive's product lies that a row of `reprocessed` was compared with."""
    path = Path(row["path"])
    return path.parents[1] / "orig" / path.name


def _clean_and_hit(exposures: Sequence[Row], flts: Sequence[Row]) -> Picture | None:
    """Draw the archive's FLT of the exposure with the lowest score beside that with the highest."""
    ranked = sorted(
        (row for row in exposures if row["tvb_score"] is not None), key=lambda row: (row["flagged"], row["tvb_score"])
    )
    files = {row["rootname"]: before_of(row) for row in flts}
    found = [row["rootname"] for row in ranked if row["rootname"] in files]
    if len(found) < 2:
        return None
    chosen = ((found[0], "clean"), (found[-1], "hit"))
    panes = [_pane(f"{name} {word}", files[name], "flt") for name, word in chosen]
    caption = "The archive's images of a quiet exposure and of the one hit hardest, with the histograms of their sky."
    return "clean_and_hit", "The archive's images", caption, images_figure(panes)


def _panes(row: Row) -> list[Pane]:
    name = row["rootname"] or row["dataset"]
    return [
        _pane(f"{name} archive", before_of(row), row["kind"]),
        _pane(f"{name} {row['method']}", Path(row["path"]), row["kind"]),
    ]


def _pane(title: str, path: Path, kind: str) -> Pane:
    picture = read_drz(path) if kind == "drz" else read_flt(path)
    return Pane(title, picture.image, picture.good)


def _exposure(row: Row) -> Picture:
    caption = f"The archive's image and the one repaired by {row['method']}, with the histograms of their sky."
    return f"{row['rootname']}_pair", f"{row['rootname']}", caption, images_figure(_panes(row))


def _zoom(row: Row) -> Picture:
    caption = "The middle 200 x 200 pixels at one stretch."
    return f"{row['rootname']}_zoom", f"{row['rootname']}, closer", caption, zoom_figure(_panes(row))


def _drizzled(row: Row) -> Picture:
    caption = "The association's drizzled image, the archive's and ours, with the histograms of their sky."
    panes = _panes(row)
    figure = images_figure(panes, limits=common_stretch(panes))
    return f"{row['dataset']}_drz", f"{row['dataset']}, drizzled", caption, figure
