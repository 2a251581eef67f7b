"""Figures of a repair: drizzled images and exposures, before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.models import Row
from wfc3tvb.report.comparison import CENTER, Comparison, Image, central_square, comparisons
from wfc3tvb.report.comparison import read_pairs as read_pairs
from wfc3tvb.report.exposure_figures import draw_histograms

#: The products of a visit, the exposures first.
PRODUCTS = "SELECT * FROM reprocessed WHERE left(dataset, 6) = $visit ORDER BY kind DESC, rootname, product_id"
#: Name, title, caption, figure.
Picture = tuple[str, str, str, Figure]


def repair_figures(exposures: Sequence[Row], products: Sequence[Row]) -> Iterator[Picture]:
    """Yield the figures of a visit's repairs, leaving out products that are missing or cannot be read.

    A figure shows the archive's image and the repaired one, each minus its own sky, at one stretch: whole, and the
    centre magnified; and the histograms of both. The drizzled images come first, then the exposures in order of time.

    Parameters
    ----------
    exposures : rows of `exposures`
        Exposures of the visit.
    products : rows of `reprocessed`
        Products of the visit.
    """
    starts = {row["rootname"]: row["expstart"] or 0.0 for row in exposures}
    for pair in comparisons(sorted(products, key=lambda row: starts.get(row["rootname"], 0.0))):
        drizzled = pair.row["kind"] == "drz"
        title = f"{pair.name}, drizzled" if drizzled else pair.name
        caption = (
            f"The archive's image and the repaired one ({pair.row['method']}), each minus its own sky, at one stretch; "
            "below, the centre; at the right, histograms of the sky."
        )
        yield f"{pair.name}_{'drz' if drizzled else 'pair'}", title, caption, _figure(pair)


def products_of(catalog: Catalog, visit: str) -> list[Row]:
    """Return the rows of `reprocessed` of a visit, the exposures first."""
    rows: list[Row] = catalog.fetch(PRODUCTS, {"visit": visit.lower()}).to_pylist()
    return rows


def _figure(pair: Comparison) -> Figure:
    figure = Figure(figsize=(12.6, 7.4), layout="constrained")
    axes = figure.subplots(2, 3, height_ratios=(1, 1))
    for column, (pane, level) in enumerate(zip((pair.before, pair.after), pair.levels, strict=True)):
        _image(axes[0, column], pane.image, pair, f"{pane.title}, minus its sky of {level:z.3f} e-/s")
        drawn = _image(axes[1, column], central_square(pane.image, CENTER), pair, f"its central {CENTER} pixels")
    figure.colorbar(drawn, ax=axes[1, :2], label="electron/s above the sky", location="bottom", shrink=0.5, aspect=40)
    draw_histograms(axes[0, 2], pair, str(pair.row["method"]))
    axes[1, 2].set_axis_off()
    return figure


def _image(axis: Axes, image: Image, pair: Comparison, title: str) -> AxesImage:
    low, high = pair.limits
    axis.set_title(title, fontsize=9)
    axis.set_xticks([])
    axis.set_yticks([])
    return axis.imshow(image, origin="lower", cmap="gray", vmin=low, vmax=high, interpolation="nearest")
