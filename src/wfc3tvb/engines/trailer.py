"""Write the trailer of the native engine: its steps, and the numbers in calwf3's trailer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wfc3tvb.calibration.model import Calibrated, Switches
from wfc3tvb.engines.products import CAL_VER
from wfc3tvb.engines.raw_reads import Imsets
from wfc3tvb.references.locate import Loaded


def write_trailer(
    path: Path, source: Imsets, loaded: Loaded, done: Switches, calibrated: Calibrated, *, before: Path
) -> None:
    """Write the trailer.

    Parameters
    ----------
    path : Path
        The file.
    source : Imsets
        The exposure.
    loaded : Loaded
        Its references.
    done : Switches
        The steps that were done.
    calibrated : Calibrated
        The result.
    before : Path
        An earlier trailer of the exposure; if it exists, its text before CALBEG is kept.
    """
    kept = ""
    if before.exists():
        text = before.read_text(encoding="utf-8", errors="replace")
        kept = text.partition("CALBEG")[0] if "CALBEG" in text else text
    lines = [f"CALBEG*** {CAL_VER} ***", f"Input    {source.path.name}", *_steps(loaded, done, calibrated)]
    lines += [f"Warning  {text}" for text in loaded.warnings]
    lines += [f"*** complete for {source.path.name} ***"]
    path.write_text(kept + "\n".join(lines) + "\n", encoding="utf-8")


def join_trailers(association: Path, members: Sequence[Path], *, outdir: Path | None = None) -> Path:
    """Write the trailers of an association's members into one, ``<association>.tra``, as calwf3 does.

    Parameters
    ----------
    association : Path
        The ``_asn.fits`` file.
    members : sequence of Path
        RAW files of its members; those without a trailer, because they failed, are left out.
    outdir : Path, optional
        Folder of the products; by default that of the association.
    """
    folder = outdir or association.parent
    joined = folder / f"{association.name.removesuffix('_asn.fits')}.tra"
    trailers = (folder / f"{member.name.removesuffix('_raw.fits')}.tra" for member in members)
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in trailers if path.exists()]
    joined.write_text("".join(texts), encoding="utf-8")
    return joined


def _steps(loaded: Loaded, done: Switches, calibrated: Calibrated) -> list[str]:
    lines = [f"{keyword:8} {file.name}" for keyword, file in loaded.files.items()]
    counts: Any = calibrated.counts
    if done.zsigcorr:
        lines.append(f"ZSIGCORR detected {counts['saturated_zeroth']} saturated pixels in 0th read")
        lines.append(f"ZSIGCORR detected {counts['saturated_first']} saturated pixels in 1st read")
    if done.nlincorr:
        n = len(counts["saturated"])
        lines += [f"NLINCORR detected {m} saturated pixels in imset {n - k}" for k, m in enumerate(counts["saturated"])]
    if done.crcorr and (rejection := loaded.data.rejection) is not None:
        lines.append(f"CRIDCALC using {rejection.threshold:g} sigma rejection threshold")
        lines.append(f"{rejection.ignore} bad DQ mask")
        lines.append(f"{counts['unstable']} pixels detected as unstable")
    return lines + [f"{name.upper():8} {'COMPLETE' if value else 'OMIT'}" for name, value in vars(done).items()]
