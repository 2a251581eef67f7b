"""The golden cases: exposures calibrated by calwf3 3.7.3, and the comparison with its products."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

#: Cases that every clone has.
HERE = Path(__file__).resolve().parents[1] / "data" / "golden"
#: Keywords that are ours, or that tell when and where a file was written.
OURS = {"DATE", "ORIGIN", "CAL_VER", "FILENAME", "HISTORY", "COMMENT", "", "EXTEND"}


def names(folder: Path = HERE) -> list[str]:
    """Return the names of the cases of a folder."""
    return sorted(path.name for path in folder.glob("*/") if (path / "perform").is_dir())


def unpack(folder: Path, to: Path) -> None:
    """Unpack the files of a folder, but for those of the simulation's truth."""
    to.mkdir(parents=True, exist_ok=True)
    for packed in folder.glob("*.fits.gz"):
        if not packed.name.endswith("_truth.fits.gz"):
            (to / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))


def differences(ours: Path, theirs: Path) -> list[str]:
    """Return in what two products differ: extensions, pixels, which planes are constant, keywords, HISTORY."""
    with fits.open(ours, memmap=False) as a, fits.open(theirs, memmap=False) as b:
        if [(x.name, x.ver) for x in a] != [(y.name, y.ver) for y in b]:
            return ["the extensions are others"]
        return [text for x, y in zip(a, b, strict=True) for text in _of_extension(x, y)]


def _of_extension(ours: fits.ImageHDU, theirs: fits.ImageHDU) -> Iterator[str]:
    name = f"{ours.name},{ours.ver}"
    for keyword in sorted((set(ours.header) | set(theirs.header)) - OURS):
        a, b = _value(ours.header, keyword), _value(theirs.header, keyword)
        if a != b:
            yield f"{name}: {keyword} is {a!r}, not {b!r}"
    if ours.name == "PRIMARY":
        a, b = list(ours.header.get("HISTORY", [])), list(theirs.header.get("HISTORY", []))
        if a != b:
            yield f"HISTORY: {a} is not {b}"
    elif (ours.data is None) != (theirs.data is None):
        yield f"{name}: only one is constant"
    elif ours.data is not None and (n := _unequal(ours.data, theirs.data)):
        yield f"{name}: {n} pixels differ"


def _value(header: fits.Header, keyword: str) -> object:
    """Return a keyword's value; None where it has none, or one that FITS does not know (calwf3 writes NAN)."""
    try:
        value = header.get(keyword)
    except fits.VerifyError:
        return None
    return None if isinstance(value, fits.card.Undefined) else value


def _unequal(a: NDArray[np.generic], b: NDArray[np.generic]) -> int:
    if a.shape != b.shape or a.dtype != b.dtype:
        return max(a.size, b.size)
    both_nan = (a != a) & (b != b)  # noqa: PLR0124
    return int(np.count_nonzero((a != b) & ~both_nan))
