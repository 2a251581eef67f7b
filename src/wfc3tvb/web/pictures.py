"""Pictures of the explorer: thumbnails of exposures, drizzled images before and after, histograms of repairs."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import Any

import matplotlib
from starlette.requests import Request
from starlette.responses import Response

from wfc3tvb.catalog.catalog import Catalog
from wfc3tvb.errors import UnknownDatasetError
from wfc3tvb.report.comparison import comparisons
from wfc3tvb.report.exposure_figures import histograms_figure
from wfc3tvb.report.repair_figures import products_of, read_pairs
from wfc3tvb.report.repair_plots import RepairPlot, repair_plot
from wfc3tvb.report.thumbnails import thumbnails
from wfc3tvb.web.site import Site

_KEPT = {"Cache-Control": "max-age=600"}
#: Colours of a figure on a dark page, those of the style sheet.
_DARK: Any = {
    "figure.facecolor": "#11161c", "savefig.facecolor": "#11161c", "axes.facecolor": "#11161c",
    "axes.edgecolor": "#a4aeb8", "axes.labelcolor": "#e6e9ed", "text.color": "#e6e9ed", "xtick.color": "#a4aeb8",
    "ytick.color": "#a4aeb8", "legend.facecolor": "#1a212a", "grid.color": "#323b45",
}  # fmt: skip
#: Matplotlib's settings are those of the whole process.
_SETTINGS = threading.Lock()


def thumbnail(site: Site, request: Request) -> Response:
    """Send the thumbnail of an exposure."""
    rootname = request.path_params["rootname"]
    with site.open() as catalog:
        text = "FROM exposures WHERE rootname = $rootname"
        rows = catalog.fetch(text, {"rootname": rootname.lower()}).to_pylist()
        products = products_of(catalog, rootname.lower()[:6])
    picture = next((one.png for one in thumbnails(rows, products, site.images)), None)
    if picture is None:
        raise UnknownDatasetError(rootname, "the folders of images")
    return Response(picture, media_type="image/png", headers=_KEPT)


def histograms(site: Site, request: Request) -> Response:
    """Send the histograms of a visit's repairs, before and after."""
    visit, dark = request.path_params["visit"], "dark" in request.query_params
    with site.open() as catalog:
        products = products_of(catalog, visit)
    repaired = [row for row in products if row["kind"] == "flt" and row["method"] != "perform"]
    pairs = [pair for _, pair in read_pairs(repaired)]
    if not pairs:
        raise UnknownDatasetError(visit, "the repaired products on this machine")
    buffer = BytesIO()
    with _SETTINGS, matplotlib.rc_context(_DARK if dark else None):
        histograms_figure(pairs).savefig(buffer, format="png", dpi=110)
    return Response(buffer.getvalue(), media_type="image/png", headers=_KEPT)


def drizzled(site: Site, visit: str) -> list[tuple[RepairPlot, dict[str, bytes]]]:
    """Return the drizzled images of a visit before and after its repair, and their pictures by address.

    They are drawn once for every version of the catalog. There are none where nothing was repaired, or a file is
    missing.
    """

    def draw(catalog: Catalog) -> list[tuple[RepairPlot, dict[str, bytes]]]:
        products = [row for row in products_of(catalog, visit) if row["kind"] == "drz"]
        return [repair_plot(pair, f"/visit/{visit}") for pair in comparisons(products)]

    return site.once(f"drizzled {visit}", draw)


def drizzled_picture(site: Site, request: Request) -> Response:
    """Send a picture of a drizzled image, before or after."""
    visit = request.path_params["visit"].lower()
    found = {address: png for _, files in drizzled(site, visit) for address, png in files.items()}
    address = f"/visit/{visit}/{request.path_params['name']}.png"
    if address not in found:
        raise UnknownDatasetError(visit, "the repaired products on this machine")
    return Response(found[address], media_type="image/png", headers=_KEPT)


PAGES = {"/thumbnail/{rootname}.png": thumbnail, "/visit/{visit}/histograms.png": histograms,
         "/visit/{visit}/{name}.png": drizzled_picture}  # fmt: skip
