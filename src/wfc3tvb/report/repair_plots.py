"""Images and histograms of repairs for pages: the archive's image beside the repaired one, each minus its own sky."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
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
    whole, center : (float, float)
        Values drawn black and white in the whole images and in their centres [electron/s above the sky].
    """

    row: Row
    name: str
    pictures: tuple[tuple[str, str], ...]
    histograms: Markup
    whole: tuple[float, float]
    center: tuple[float, float]


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
        plot, files = repair_plot(pair, folder)
        for file, png in files.items():
            (out / file).write_bytes(png)
        yield plot


def repair_plot(pair: Comparison, folder: str) -> tuple[RepairPlot, dict[str, bytes]]:
    """Return what a page shows of a repair, and its pictures as PNG by the names of their files in a folder."""
    panes = (("before", pair.before.image, pair.levels[0], "archive"),
             ("after", pair.after.image, pair.levels[1], f"repaired by {pair.row['method']}"))  # fmt: skip
    small = [reduced(image) for _, image, _, _ in panes]
    whole = stretch(max(1e-6, *(level_and_scatter(image[image != 0])[1] for image in small)))
    drawn = [(when, grey(image, whole), f"{what}, minus its sky of {level:z.3f} e-/s")
             for (when, _, level, what), image in zip(panes, small, strict=True)]  # fmt: skip
    for when, image, _, what in panes:
        center = grey(central_square(image, CENTER), pair.limits)
        drawn.append((f"{when}_center", center, f"{what}, the central {CENTER} pixels"))
    names = [f"{folder}/{pair.name}_{pair.row['kind']}_{when}.png" for when, _, _ in drawn]
    files = {name: _png(picture) for name, (_, picture, _) in zip(names, drawn, strict=True)}
    pictures = tuple((name, caption) for name, (_, _, caption) in zip(names, drawn, strict=True))
    return RepairPlot(pair.row, pair.name, pictures, histograms(pair), whole, pair.limits), files


def _png(picture: Picture) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, format="png", optimize=True)
    return buffer.getvalue()


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
