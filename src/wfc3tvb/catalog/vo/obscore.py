"""View `obscore`: the exposures as the IVOA's table of observations (ObsCore 1.1, REC-ObsCore-v1.1-20170509).

A row describes the calibrated image of an exposure (FLT) in MAST's archive. Its columns are the mandatory ones of the
standard and the proposal number, with its units, UCDs and utypes, and a few of `exposures` beside them.

Sources: ObsCore 1.1, table 7 (columns); WFC3 Instrument Handbook, table 7.5 (width of a star) and 8.2 (grisms).
"""

from __future__ import annotations

from wfc3tvb.instrument import FILTERS, FULL_LIGHT, Filter
from wfc3tvb.schema import SCHEMA_VERSION, Column, Table

#: Address of a file in MAST's archive; the name follows.
_DOWNLOAD = "https://mast.stsci.edu/api/v0.1/Download/file?uri=mast:HST/product/"
#: Identifier of a row; its authority is not registered.
_PUBLISHER = "ivo://wfc3tvb/exposures?"
#: Name, type, unit, description, UCD and utype (after obscore:) of a column, and its SQL.
_COLUMNS = """
dataproduct_type | str | | type of the data: image | meta.code.class | ObsDataset.dataProductType | 'image'
calib_level | int | | level of the calibration: 2, calibrated | meta.code;obs.calib | ObsDataset.calibLevel | CAST(2 AS BIGINT)
obs_collection | str | | collection: HST | meta.id | DataID.Collection | 'HST'
obs_id | str | | rootname of the exposure, as in MAST's tables | meta.id | DataID.observationID | rootname
obs_publisher_did | str | | identifier of the row | meta.ref.ivoid | Curation.PublisherDID | '{publisher}' || rootname
access_url | str | | address of the FLT in MAST's archive | meta.ref.url | Access.reference | '{download}' || rootname || '_flt.fits'
access_format | str | | format of the file | meta.code.mime | Access.format | 'application/fits'
access_estsize | int | kbyte | approximate size of the file | phys.size;meta.file | Access.size | size * size * 16 // 1000
target_name | str | | target name given by the proposer | meta.id;src | Target.name | target_name
s_ra | float | deg | right ascension of the aperture's reference point (ICRS) | pos.eq.ra | Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C1 | ra
s_dec | float | deg | declination of the aperture's reference point (ICRS) | pos.eq.dec | Char.SpatialAxis.Coverage.Location.Coord.Position2D.Value2.C2 | dec
s_fov | float | deg | diameter of the circle around the frame | phys.angSize;instr.fov | Char.SpatialAxis.Coverage.Bounds.Extent.diameter | size * {diagonal}
s_region | str | | corners of the light-sensitive frame (ICRS, counter-clockwise), good to 2 arcsec | pos.outline;obs.field | Char.SpatialAxis.Coverage.Support.Area | s_region
s_xel1 | int | | pixels along the first axis | meta.number | Char.SpatialAxis.numBins1 | size
s_xel2 | int | | pixels along the second axis | meta.number | Char.SpatialAxis.numBins2 | size
s_resolution | float | arcsec | width of a star (FWHM) in this filter | pos.angResolution | Char.SpatialAxis.Resolution.Refval.value | fwhm
t_min | float | d | start of the exposure [MJD, UTC] | time.start;obs.exposure | Char.TimeAxis.Coverage.Bounds.Limits.StartTime | expstart
t_max | float | d | end of the exposure [MJD, UTC] | time.end;obs.exposure | Char.TimeAxis.Coverage.Bounds.Limits.StopTime | expend
t_exptime | float | s | exposure time | time.duration;obs.exposure | Char.TimeAxis.Coverage.Support.Extent | exptime
t_resolution | float | s | resolution in time: the exposure time | time.resolution | Char.TimeAxis.Resolution.Refval.value | exptime
t_xel | int | | samples in time: 1 | meta.number | Char.TimeAxis.numBins | CAST(1 AS BIGINT)
em_min | float | m | shortest wavelength of the filter | em.wl;stat.min | Char.SpectralAxis.Coverage.Bounds.Limits.LoLimit | shortest
em_max | float | m | longest wavelength of the filter | em.wl;stat.max | Char.SpectralAxis.Coverage.Bounds.Limits.HiLimit | longest
em_res_power | float | | central wavelength over width of the filter | spect.resolution | Char.SpectralAxis.Resolution.ResolPower.refVal | (longest + shortest) / 2 / (longest - shortest)
em_xel | int | | samples in wavelength: 1 | meta.number | Char.SpectralAxis.numBins | CAST(1 AS BIGINT)
o_ucd | str | | UCD of a pixel's value: a count rate | meta.ucd | Char.ObservableAxis.ucd | 'phot.count'
pol_states | str | | polarization states: null | meta.code;phys.polarization | Char.PolarizationAxis.stateList | CAST(NULL AS VARCHAR)
pol_xel | int | | number of polarization states: 0 | meta.number | Char.PolarizationAxis.numBins | CAST(0 AS BIGINT)
facility_name | str | | telescope: HST | meta.id;instr.tel | Provenance.ObsConfig.Facility.name | 'HST'
instrument_name | str | | instrument: WFC3/IR | meta.id;instr | Provenance.ObsConfig.Instrument.name | 'WFC3/IR'
proposal_id | str | | proposal number | meta.id;obs.proposal | Provenance.Proposal.identifier | CAST(proposal_id AS VARCHAR)
"""  # noqa: E501 (a column a line)

#: Columns of `exposures` beside those of the standard.
_OURS = ("filter", "tvb_class", "tvb_kind", "tvb_score", "sky_mean", "recommend", "flagged")
#: Diagonal of a pixel [deg].
_DIAGONAL = 5.045e-5
#: Wavelengths [micrometre] and the width of a star there [arcsec].
_STARS = ((0.8, 0.124), (0.9, 0.126), (1.0, 0.128), (1.1, 0.130), (1.2, 0.133), (1.3, 0.137), (1.4, 0.141),
          (1.5, 0.145), (1.6, 0.151), (1.7, 0.156))  # fmt: skip
_GRISMS = {"G102": (0.800, 1.150), "G141": (1.075, 1.700)}


def _parts() -> list[list[str]]:
    """Return the parts of the lines of `_COLUMNS`."""
    values = {"{publisher}": _PUBLISHER, "{download}": _DOWNLOAD, "{diagonal}": f"{_DIAGONAL}"}
    text = _COLUMNS
    for name, value in values.items():
        text = text.replace(name, value)
    return [[part.strip() for part in line.split(" | ")] for line in text.replace("| |", "|  |").strip().splitlines()]


def obscore_table(exposures: Table) -> Table:
    """Return the columns of the view, given the table `exposures`."""
    standard = tuple(
        Column(name, kind, unit, description, ucd, utype=f"obscore:{utype}")
        for name, kind, unit, description, ucd, utype, _ in _parts()
    )
    ours = tuple(column for name in _OURS for column in exposures.columns if column.name == name)
    return Table("obscore", "exposure, as an observation of ObsCore 1.1", ("obs_id",), standard + ours, SCHEMA_VERSION)


def obscore_sql() -> str:
    """Return the SELECT of the view."""
    columns = ", ".join(f"{part[-1]} AS {part[0]}" for part in _parts())
    filters = ", ".join(f"('{each.name}', {_band(each)})" for each in FILTERS.values())
    return f"""
SELECT {columns}, {", ".join(_OURS)}
FROM (
    SELECT e.*, shortest, longest, fwhm,
        least(coalesce(TRY_CAST(regexp_extract(aperture, '[0-9]+') AS BIGINT), {FULL_LIGHT}), {FULL_LIGHT}) AS size
    FROM exposures e
    LEFT JOIN (VALUES {filters}) AS band(name, shortest, longest, fwhm) ON e.filter = band.name
)"""


def _band(each: Filter) -> str:
    """Return the shortest and longest wavelength [m] and the width of a star [arcsec] of a filter, as SQL."""
    if each.pivot is None or each.width is None:
        shortest, longest = _GRISMS[each.name]
    else:
        shortest, longest = each.pivot - each.width / 2, each.pivot + each.width / 2
    return f"{shortest * 1e-6:.6g}, {longest * 1e-6:.6g}, {_width((shortest + longest) / 2):.4g}"


def _width(wavelength: float) -> float:
    """Return the width of a star at a wavelength [micrometre], between the entries of `_STARS`."""
    for (x1, y1), (x2, y2) in zip(_STARS, _STARS[1:], strict=False):
        if wavelength <= x2:
            return y1 + (y2 - y1) * (wavelength - x1) / (x2 - x1)
    return _STARS[-1][1]
