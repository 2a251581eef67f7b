"""Images and histograms of repairs for pages: the archive's image beside the repaired one, each minus its own sky."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup
from PIL.Image import Image as Picture

from wfc3tvb.models import Row
from wfc3tvb.report.comparison import (
    CENTER,
    Comparison,
    central_square,
    comparisons,
    grey,
    level_and_scatter,
    reduced,
    stretch,
)
from wfc3tvb.report.svg import Plot

_SIZE = (360, 300)
_MARGIN = (44.0, 24.0, 10.0, 34.0)


@dataclass(frozen=True)
class RepairPlot:
    """A repair on a page: its row, files of its pictures, and its histograms.

    Attributes
    ----------
    row : row of `reprocessed`
        The product.
    name : str
        Rootname, or dataset of a drizzled image.
    pictures : tuple of (file, caption)
        Before, after, and the centres of both.
    histograms : Markup
        Histograms of the sky.
    black, white : float
        Values drawn black and white in the centres [electron/s above the sky].
    """

    row: Row
    name: str
    pictures: tuple[tuple[str, str], ...]
    histograms: Markup
    black: float
    white: float


def repair_plots(products: Sequence[Row], out: Path, folder: str = "figures/repairs") -> Iterator[RepairPlot]:
    """Write the pictures of a visit's repairs into a report, and yield what its page shows of them.

    Parameters
    ----------
    products : rows of `reprocessed`
        Products of the visit.
    out : Path
        Folder of the report.
    folder : str, optional
        Folder of the pictures in it.
    """
    (out / folder).mkdir(parents=True, exist_ok=True)
    for pair in comparisons(products):
        kind = pair.row["kind"]
        pictures = []
        for when, image, caption in _images(pair):
            file = f"{folder}/{pair.name}_{kind}_{when}.png"
            image.save(out / file, optimize=True)
            pictures.append((file, caption))
        black, white = pair.limits
        yield RepairPlot(pair.row, pair.name, tuple(pictures), histograms(pair), black, white)


def _images(pair: Comparison) -> Iterator[tuple[str, Picture, str]]:
    """Yield name, picture and caption of the whole images and of their centres, each pair at one stretch."""
    panes = (("before", pair.before.image, pair.levels[0], "archive"),
             ("after", pair.after.image, pair.levels[1], f"repaired by {pair.row['method']}"))  # fmt: skip
    small = [reduced(image) for _, image, _, _ in panes]
    limits = stretch(max(1e-6, *(level_and_scatter(image[image != 0])[1] for image in small)))
    for (when, _, level, what), image in zip(panes, small, strict=True):
        yield when, grey(image, limits), f"{what}, minus its sky of {level:z.3f} e-/s"
    for when, image, _, what in panes:
        yield f"{when}_center", grey(central_square(image, CENTER), pair.limits), f"{what}, the central {CENTER} pixels"


def histograms(pair: Comparison) -> Markup:
    """Return the histograms of the sky before and after, on one scale."""
    edges, before, after = pair.histograms()
    top = 1.08 * float(max(before.max(), after.max(), 1e-6))
    labels = ("electron/s above the sky", "pixels in a bin [%]")
    plot = Plot((float(edges[0]), float(edges[-1])), (0.0, top), labels, "", _SIZE, _MARGIN)
    plot.axes()
    plot.stairs(edges.tolist(), before.tolist(), "fill")
    plot.stairs(edges.tolist(), after.tolist(), "blue line")
    return plot.svg(f"histograms of the sky of {pair.name}, archive and repaired")
