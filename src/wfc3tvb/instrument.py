"""Facts of WFC3/IR: its filters, the data-quality bits, and the detector's frame, gains and noise.

To add a filter, add a line to `FILTERS`; all code looks up a filter's properties there.

Sources: WFC3 Instrument Handbook, table 7.2 (pivot wavelengths and widths) and sections 5.1 and 5.7 (detector); WFC3
Data Handbook, table 3.3 (data quality) and section 7.10 (He I 10830 A); SPHEREx (arXiv:2605.00851; O I at 1.1287 um);
the AB zero points for an infinite aperture that STScI published in 2012; IMPHTTAB (inverse sensitivities and rms
widths); G. Brammer's zodi.py (zodiacal light by filter, as N. Pirzkal found it in exposures, and thermal emission);
CCDTAB t2c16200i (gains and read noises).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag


@dataclass(frozen=True)
class Filter:
    """Properties of a filter; None where they are unknown.

    Attributes
    ----------
    name : str
        Value of the keyword FILTER.
    pivot, width : float or None
        Pivot wavelength and width [micrometre].
    helium : bool
        Whether it passes the helium line at 1.083 micrometre.
    oxygen : bool
        Whether it passes the oxygen line of the airglow at 1.1287 micrometre.
    grism : bool
        Whether it is a grism: measured on request, never repaired.
    zero_point : float or None
        AB magnitude that gives 1 electron/s in an infinite aperture.
    zodi : float or None
        Zodiacal light over that of F160W, in electron/s.
    thermal : float or None
        Thermal emission of telescope and camera [electron/s].
    kilorayleigh : float or None
        Brightness of the helium line per rate [kR per electron/s] (1 R = 3.715e-14 / lambda erg/s/cm2/arcsec2).
    photflam, photbw : float or None
        Inverse sensitivity in 2009 [erg/cm2/Angstrom/electron] and rms width [Angstrom], for simulated tables.
    """

    name: str
    pivot: float | None = None
    width: float | None = None
    helium: bool = False
    oxygen: bool = False
    grism: bool = False
    zero_point: float | None = None
    zodi: float | None = None
    thermal: float | None = None
    kilorayleigh: float | None = None
    photflam: float | None = None
    photbw: float | None = None

    @property
    def simulated(self) -> bool:
        """True where exposures in this filter can be simulated and calibrated."""
        return self.photflam is not None


#: The filters of the IR channel, by name.
FILTERS: dict[str, Filter] = {
    each.name: each
    for each in (
        Filter("F098M", 0.98641, 0.170, zero_point=25.6674, zodi=0.66, thermal=0.05, photflam=6.0653e-20, photbw=500.9),
        Filter("F105W", 1.0552, 0.265, helium=True, oxygen=True, zero_point=26.2687, zodi=1.23, thermal=0.05,
               kilorayleigh=1.508, photflam=3.0386e-20, photbw=845.6),
        Filter("F110W", 1.15345, 0.443, helium=True, oxygen=True, zero_point=26.8223, zodi=2.05, thermal=0.05,
               photflam=1.5297e-20, photbw=1428.5),
        Filter("F125W", 1.24861, 0.285, oxygen=True, zero_point=26.2303, zodi=1.15, thermal=0.05,
               photflam=2.2484e-20, photbw=866.3),
        Filter("F126N", 1.2585, 0.0152),
        Filter("F127M", 1.2740, 0.0688),
        Filter("F128N", 1.2832, 0.0159),
        Filter("F130N", 1.30057, 0.016, photflam=2.2057e-19, photbw=53.3),
        Filter("F132N", 1.3188, 0.0161),
        Filter("F139M", 1.3838, 0.0643),
        Filter("F140W", 1.39229, 0.384, zero_point=26.4524, zodi=1.46, thermal=0.07,
               photflam=1.4737e-20, photbw=1132.4),
        Filter("F153M", 1.5322, 0.0685),
        Filter("F160W", 1.53692, 0.268, zero_point=25.9463, zodi=1.00, thermal=0.13, photflam=1.9276e-20, photbw=826.3),
        Filter("F164N", 1.6404, 0.0209),
        Filter("F167N", 1.6642, 0.0210),
        Filter("G102", helium=True, oxygen=True, grism=True),
        Filter("G141", helium=True, oxygen=True, grism=True),
    )
}  # fmt: skip


def find_filter(name: object) -> Filter | None:
    """Return the filter of a name, ignoring case and surrounding blanks; None where there is no such filter."""
    return FILTERS.get(name.strip().upper()) if isinstance(name, str) else None


def helium_filters() -> tuple[str, ...]:
    """Return the filters that a survey measures by default: those that pass He I 10830 A, without the grisms."""
    return tuple(each.name for each in FILTERS.values() if each.helium and not each.grism)


def control_filters() -> tuple[str, ...]:
    """Return the wide filters that pass neither the helium nor the oxygen line: what varies in them is not airglow."""
    return tuple(each.name for each in FILTERS.values() if each.zodi is not None and not (each.helium or each.oxygen))


def sees_helium(name: object) -> bool:
    """Return whether images in this filter contain the helium line."""
    known = find_filter(name)
    return known is not None and known.helium and not known.grism


def is_grism(name: object) -> bool:
    """Return whether a name is that of a grism."""
    known = find_filter(name)
    return known is not None and known.grism


class DQ(IntFlag):
    """Data-quality bits of WFC3/IR, as calwf3 names them (WFC3 Data Handbook table 3.3)."""

    SOFTERR = 1
    DATALOST = 2
    DETECTORPROB = 4
    BADZERO = 8
    HOTPIX = 16
    UNSTABLE = 32
    WARMPIX = 64
    BADBIAS = 128
    SATPIXEL = 256
    BADFLAT = 512
    SPIKE = 1024
    ZEROSIG = 2048
    DATAREJECT = 8192
    HIGH_CURVATURE = 16384


#: Reference pixels on each side of a raw frame, and light-sensitive pixels along a side of the whole detector.
BORDER = 5
FULL_LIGHT = 1014
#: Commanded gain [electron/DN]: the value of CCDGAIN, and the one assumed for a header without gains.
COMMANDED_GAIN = 2.5
#: Gain [electron/DN] and noise of the difference of two reads [electron] of the amplifiers.
GAINS = {"A": 2.34, "B": 2.37, "C": 2.31, "D": 2.38}
READ_NOISES = {"A": 20.2, "B": 19.8, "C": 19.9, "D": 20.1}
#: Mean noise over the frame of the difference of two reads, and of a single read [electron].
READ_NOISE, SINGLE_READ_NOISE = 20.5, 14.6
#: Mean dark current [electron/s].
DARK = 0.048
#: Time to clear the frame before the zeroth read [s]: SAMPZERO is the first read's SAMPTIME minus this.
ZEROTH_OFFSET = 0.020535
