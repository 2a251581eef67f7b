"""Figures of a repair: exposures and drizzled images, before and after."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.images import read_drz, read_flt
from wfc3tvb.models import Row
from wfc3tvb.report.exposure_figures import Pane, common_stretch, histograms_figure, images_figure, zoom_figure

log = logging.getLogger(__name__)

#: The products of a visit, the exposures first.
PRODUCTS = "SELECT * FROM reprocessed WHERE left(dataset, 6) = $visit ORDER BY kind DESC, rootname, product_id"
#: Name, title, caption, figure.
Picture = tuple[str, str, str, Figure]
#: An image before and after.
Pair = tuple[Pane, Pane]


def repair_figures(exposures: Sequence[Row], products: Sequence[Row]) -> Iterator[Picture]:
    """Yield the figures of a visit's repairs, leaving out products that are missing or cannot be read.

    Parameters
    ----------
    exposures : rows of `exposures`
        Exposures of the visit.
    products : rows of `reprocessed`
        Products of the visit.
    """
    pairs = dict(read_pairs(products))
    flts = [row for row in products if row["kind"] == "flt" and row["product_id"] in pairs]
    repaired = [(row, pairs[row["product_id"]]) for row in flts if row["method"] != "perform"]
    if repaired:
        yield _histograms([pair for _, pair in repaired])
    if picture := _clean_and_hit(exposures, {row["rootname"]: pairs[row["product_id"]][0] for row in flts}):
        yield picture
    for row, pair in repaired:
        yield _exposure(row, pair)
    for row, pair in repaired:
        yield _zoom(row, pair)
    for row in products:
        if row["kind"] == "drz" and row["product_id"] in pairs:
            yield _drizzled(row, pairs[row["product_id"]])


def products_of(catalog: Catalog, visit: str) -> list[Row]:
    """Return the rows of `reprocessed` of a visit, the exposures first."""
    rows: list[Row] = catalog.fetch(PRODUCTS, {"visit": visit.lower()}).to_pylist()
    return rows


def read_pairs(products: Sequence[Row]) -> Iterator[tuple[str, Pair]]:
    """Yield product_id and the images before and after, for products whose files exist and can be read."""
    for row in products:
        if not row["path"] or not Path(row["path"]).is_file() or not before_of(row).is_file():
            continue
        name = row["rootname"] or row["dataset"]
        try:
            before = _pane(f"{name} archive", before_of(row), row["kind"])
            yield row["product_id"], (before, _pane(f"{name} {row['method']}", Path(row["path"]), row["kind"]))
        except BadFileError as error:
            log.warning("left out of the figures: %s", error)


def before_of(row: Row) -> Path:
    """Return the path of the archive's product with which a row of `reprocessed` was compared."""
    path = Path(row["path"])
    return path.parent.parent / "orig" / path.name


def _histograms(pairs: Sequence[Pair]) -> Picture:
    caption = (
        "Sky of the archive's images (filled) and of the repaired ones (line), each pair on one scale: a good fit of "
        "the ramps gives one narrow peak."
    )
    return "histograms", "Histograms of the sky", caption, histograms_figure(pairs)


def _clean_and_hit(exposures: Sequence[Row], images: Mapping[str, Pane]) -> Picture | None:
    """Draw the archive's FLT of the exposure with the lowest score beside that with the highest."""
    ranked = sorted(
        (row for row in exposures if row["tvb_score"] is not None), key=lambda row: (row["flagged"], row["tvb_score"])
    )
    found = [row["rootname"] for row in ranked if row["rootname"] in images]
    if len(found) < 2:
        return None
    chosen = ((found[0], "clean"), (found[-1], "hit"))
    panes = [Pane(f"{name} {label}", images[name].image, images[name].good) for name, label in chosen]
    caption = "The archive's images of a quiet exposure and of the worst one, with histograms of their sky."
    return "clean_and_hit", "The archive's images", caption, images_figure(panes)


def _pane(title: str, path: Path, kind: str) -> Pane:
    picture = read_drz(path) if kind == "drz" else read_flt(path)
    return Pane(title, picture.image, picture.good)


def _exposure(row: Row, pair: Pair) -> Picture:
    caption = f"The archive's image and the repaired one ({row['method']}) at one stretch, with histograms of the sky."
    return f"{row['rootname']}_pair", f"{row['rootname']}", caption, images_figure(pair, limits=common_stretch(pair))


def _zoom(row: Row, pair: Pair) -> Picture:
    caption = "The central 200 x 200 pixels at one stretch."
    return f"{row['rootname']}_zoom", f"{row['rootname']}, magnified", caption, zoom_figure(pair)


def _drizzled(row: Row, pair: Pair) -> Picture:
    caption = "The association's drizzled image, from the archive and repaired, with histograms of their sky."
    figure = images_figure(pair, limits=common_stretch(pair))
    return f"{row['dataset']}_drz", f"{row['dataset']}, drizzled", caption, figure
