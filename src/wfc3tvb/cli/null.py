"""The null calibration, for whoever has a catalog of the archive."""

from __future__ import annotations

from pathlib import Path

from wfc3tvb.cli.door import catalog_option, example, json_option, main, print_json, show


@main.command()
@catalog_option
@json_option
@example("wfc3tvb null --catalog tvb-catalog")
def null(catalog: Path, as_json: bool) -> None:
    """Measure how much exposures vary that cannot be hit.

    From those in Earth's shadow, and in filters that do not pass the helium line: the systematic error of a rate, and
    the jump statistic and excess that 99 % of quiet exposures stay below.
    """
    from dataclasses import asdict

    from wfc3tvb.catalog.catalog import open_catalog
    from wfc3tvb.config import MeasureSettings
    from wfc3tvb.survey.null_calibration import nulls

    assumed = MeasureSettings().systematic
    with open_catalog(catalog) as store:
        found = list(nulls(store))
    if as_json:
        print_json([asdict(each) for each in found])
        return
    for each in found:
        show(f"{each.name}: {each.n_exposures} exposures, {each.n_reads} reads")
        if each.systematic is None:
            show("  too few to say anything")
            continue
        show(f"  systematic of a rate {each.systematic:.4f} e-/s ({assumed:g} is assumed)")
        limits = f"{each.tvb_score_99:.2f} sigma and an excess of {each.excess_variable_99:.3f} e-/s"
        show(f"  99 % stay below a jump of {limits}")
