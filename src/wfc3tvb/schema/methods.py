"""Methods of repair: name, engine switch, noise formula and descriptions of each.

To add a method, add an entry to `METHODS` and a module ``repair/methods/<name>.py`` that applies it to an exposure. The
column ``noise_<name>``, the allowed values, the choices of ``reprocess --method``, recommendation, plan, headers,
report and docs follow from the entry. Entries are kept apart from the modules, which are slow to import, because the
tables, the score and the command line need them; a module is found by the method's name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Method:
    """Method of repair.

    Attributes
    ----------
    name : str
        Name in tables and options, and of its module in `repair.methods`.
    crcorr : {"omit", "perform"}
        Switch of the engine for the up-the-ramp fit.
    works_on : {"switch", "raw", "reads"}
        Stage of the repair: the engine's switch alone, the RAW file before the engine, or the calibrated reads after
        it.
    noise : str
        Function of `curve.noise_model` for the noise of a blank pixel.
    needs_curve : bool
        Whether it uses the measured sky of every read.
    rejects_cosmic_rays : bool
        Whether the image comes from a ramp fit that rejects them (its CRCORR is COMPLETE, else OMIT). If not, they can
        be rejected only with the other exposures of the association.
    gradient : {"no", "also", "only"}
        Whether it removes light that differs over the frame; a method for nothing else is recommended only for it.
    recovers : str
        Pixels that it can recover, for the docs.
    help : str
        Sentence for ``reprocess --help`` and the header's HISTORY.
    report : str
        Clause that begins the advice of `show` and the report.
    since : str
        Version of the schema that added its column.
    """

    name: str
    crcorr: str
    works_on: str
    noise: str
    needs_curve: bool
    rejects_cosmic_rays: bool
    gradient: str
    recovers: str
    help: str
    report: str
    since: str = "1.0"

    @property
    def noise_column(self) -> str:
        """Column of `exposures` with the noise expected after the repair."""
        return f"noise_{self.name}"


#: The methods by name, the preferred first among those that suit an exposure.
METHODS: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "optimal",
            crcorr="omit", works_on="reads", noise="optimal",
            needs_curve=True, rejects_cosmic_rays=True, gradient="also",
            recovers="saturated in the last reads only",
            help="likelihood fit with the measured sky and scattered light of every read subtracted; lowest noise",
            report="optimal fits the ramp with the measured sky of every read subtracted", since="1.1",
        ),
        Method(
            "omit",
            crcorr="omit", works_on="switch", noise="last_minus_first",
            needs_curve=False, rejects_cosmic_rays=False, gradient="no",
            recovers="saturated in the last reads only; none with `--no-recover-saturated`",
            help="last read minus zeroth, no ramp fit; for any field",
            report="omit takes the last read minus the zeroth",
        ),
        Method(
            "flatten",
            crcorr="omit", works_on="reads", noise="ramp_fit",
            needs_curve=True, rejects_cosmic_rays=True, gradient="no",
            recovers="saturated in the last reads only",
            help="ramp fitted again with the measured changes of the sky subtracted; for sparse fields",
            report="flatten subtracts the changes of the sky from the ramp",
        ),
        Method(
            "mask_reads",
            crcorr="omit", works_on="reads", noise="ramp_fit",
            needs_curve=False, rejects_cosmic_rays=True, gradient="only",
            recovers="saturated in the last reads only",
            help="ramp fitted again without the affected reads; for light that differs over the frame",
            report="mask_reads leaves out the reads in which one side is brighter",
        ),
    )
}  # fmt: skip

#: Not a repair: an exposure that is only recalibrated, with the same references as the others.
PERFORM = Method(
    "perform", crcorr="perform", works_on="switch", noise="ramp_fit",
    needs_curve=False, rejects_cosmic_rays=True, gradient="only",
    recovers="saturated in the last reads only", help="recalibrated, not repaired", report="",
)  # fmt: skip


def alternatives(names: Iterable[str]) -> str:
    """Join names to a list for a sentence: ``a, b or c``."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def methods_markdown() -> str:
    """Return the methods as the Markdown table in ``docs/reprocess.md``."""
    places = {"switch": "the engine's CRCORR", "raw": "the RAW file", "reads": "the calibrated reads"}
    rows = (
        f"| {method.name} | {method.help} | {places[method.works_on]} | "
        f"{'rejected by its ramp fit' if method.rejects_cosmic_rays else 'stay in the FLT'} | {method.recovers} |\n"
        for method in METHODS.values()
    )
    return "| method | image | works on | cosmic rays | pixels recovered |\n|---|---|---|---|---|\n" + "".join(rows)
