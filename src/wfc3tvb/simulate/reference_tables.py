"""Make reference tables: amplifiers, reference pixels, rejection, photometry, distortion, drizzling, bad pixels.

Values are those of the real tables, retyped: t2c16200i (CCDTAB), q911321mi (OSCNTAB), u6a1748ri (CRREJTAB),
w3m18525i (IDCTAB), 3562021pi (MDRIZTAB), and WFC3 Instrument Handbook tables 7.1 and 9.1 (IMPHTTAB).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from astropy.io import fits

from wfc3tvb.instrument import BORDER, COMMANDED_GAIN, FILTERS, FULL_LIGHT, GAINS, READ_NOISES
from wfc3tvb.simulate.detector import Detector
from wfc3tvb.simulate.frame import SIZES, Frame
from wfc3tvb.simulate.optics import CX, CY, SCALE, THETA, V2REF, V3REF, XREF, YREF

_AMPS = "ABCD"
#: Loss of sensitivity a year (in size that of WFC3 ISR 2024-13), and the dates that photometry is given for [MJD].
_LOSS, _DATES = 0.0011, (54983.0, 56800.0, 58600.0, 60700.0)

Rows = Sequence[dict[str, Any]]


def reference(filetype: str, tables: Sequence[Any], **keywords: object) -> fits.HDUList:
    """Return a reference file: `filetype` is its FILETYPE, `keywords` go to the primary header."""
    header = fits.Header()
    fixed = {
        "FILETYPE": filetype,
        "TELESCOP": "HST",
        "INSTRUME": "WFC3",
        "DETECTOR": "IR",
        "USEAFTER": "May 11 2009 00:00:00",
        "PEDIGREE": "GROUND",
        "DESCRIP": "Synthetic reference file of the wfc3tvb simulator",
        "NEXTEND": len(tables),
    }
    for keyword, value in (fixed | keywords).items():
        header[keyword] = value
    return fits.HDUList([fits.PrimaryHDU(header=header), *tables])


def table(name: str, formats: dict[str, str], rows: Rows) -> fits.BinTableHDU:
    """Return a table extension of the given columns (name to FITS format) and rows."""
    columns = [fits.Column(column, form, array=[row[column] for row in rows]) for column, form in formats.items()]
    return fits.BinTableHDU.from_columns(columns, name=name)


def ccdtab() -> fits.HDUList:
    """Return the table of the amplifiers."""
    row: dict[str, Any] = {"CCDAMP": "ABCD", "CCDCHIP": 1, "CCDGAIN": COMMANDED_GAIN, "BINAXIS1": 1, "BINAXIS2": 1}
    formats = {"CCDAMP": "4A", "CCDCHIP": "I", "CCDGAIN": "E", "BINAXIS1": "I", "BINAXIS2": "I"}
    for stem, form, values in (
        ("CCDOFST", "I", dict.fromkeys(_AMPS, 0)),
        ("CCDBIAS", "E", dict.fromkeys(_AMPS, 0.0)),
        ("ATODGN", "E", GAINS),
        ("READNSE", "E", READ_NOISES),
    ):
        formats |= {f"{stem}{amp}": form for amp in _AMPS}
        row |= {f"{stem}{amp}": values[amp] for amp in _AMPS}
    formats |= {"AMPX": "I", "AMPY": "I", "SATURATE": "E", "PEDIGREE": "67A", "DESCRIP": "68A"}
    row |= {"AMPX": 512, "AMPY": 512, "SATURATE": 65535.0, "PEDIGREE": "Ground", "DESCRIP": "Values of t2c16200i"}
    return reference("CCD PARAMETERS", [table("CCD", formats, [row])])


def oscntab() -> fits.HDUList:
    """Return the table of the reference pixels: five on each side, the four inner ones of them used."""
    formats = {"CCDAMP": "4A"} | dict.fromkeys(("CCDCHIP", "NX", "NY", "BIASSECTB1", "BIASSECTB2", "BINX", "BINY"), "I")
    trims = dict.fromkeys(("TRIMX1", "TRIMX2"), BORDER) | {"TRIMX3": 0, "TRIMX4": 0}
    trims |= dict.fromkeys(("TRIMY1", "TRIMY2"), BORDER)
    virtual = {f"V{axis}{i}": 0 for axis in "XY" for i in range(1, 5)}
    rest = {"BIASSECTA1": 2, "BIASSECTA2": 5, "BIASSECTC1": 0, "BIASSECTC2": 0, "BIASSECTD1": 0, "BIASSECTD2": 0}
    formats |= dict.fromkeys((*trims, *virtual, *rest), "I")
    rows = [
        {
            "CCDAMP": "ABCD",
            "CCDCHIP": 1,
            "NX": n,
            "NY": n,
            "BIASSECTB1": n - 4,
            "BIASSECTB2": n - 1,
            "BINX": 1,
            "BINY": 1,
        }
        | trims
        | virtual
        | rest
        for n in (Frame(size).raw for size in reversed(SIZES))
    ]
    return reference("OVERSCAN", [table("OSC", formats, rows)])


def crrejtab() -> fits.HDUList:
    """Return the table of cosmic-ray rejection: four sigma, for ramps of 2 to 16 reads."""
    formats = {
        "CRSPLIT": "I", "MEANEXP": "E", "IRRAMP": "L", "SCALENSE": "E", "INITGUES": "8A", "SKYSUB": "4A",
        "CRSIGMAS": "20A", "CRRADIUS": "E", "CRTHRESH": "E", "BADINPDQ": "I", "CRMASK": "L",
    }  # fmt: skip
    row = {
        "MEANEXP": 1e5, "IRRAMP": True, "SCALENSE": 0.0, "INITGUES": "min", "SKYSUB": "none",
        "CRSIGMAS": "4.0", "CRRADIUS": 0.0, "CRTHRESH": 0.0, "BADINPDQ": 256, "CRMASK": True,
    }  # fmt: skip
    return reference("COSMIC RAY REJECTION", [table("CRR", formats, [row | {"CRSPLIT": n} for n in range(2, 17)])])


def imphttab() -> fits.HDUList:
    """Return the table of photometry, which depends on the date as calwf3 3.7.2 and later require."""
    n = len(_DATES)
    years = (np.array(_DATES) - _DATES[0]) / 365.25
    extensions = []
    for column, name in enumerate(("PHOTFLAM", "PHOTPLAM", "PHOTBW")):
        formats = {"OBSMODE": "40A", "DATACOL": "12A", name: "D", f"{name}1": f"{n}D", "NELEM1": "I"}
        formats |= {"PAR1NAMES": "12A", "PAR1VALUES": f"{n}D", "PEDIGREE": "30A", "DESCRIP": "60A"}
        rows = [
            {
                "OBSMODE": f"wfc3,ir,{filter_name.lower()},mjd#",
                "DATACOL": f"{name}1",
                name: values[column],
                f"{name}1": values[column] * (1 + _LOSS * years * (name == "PHOTFLAM")),
                "NELEM1": n,
                "PAR1NAMES": "MJD#",
                "PAR1VALUES": np.array(_DATES),
                "PEDIGREE": "INFLIGHT",
                "DESCRIP": "Synthetic",
            }
            for filter_name, values in _photometry().items()
        ]
        extensions.append(table(name, formats, rows))
    keywords = {"PHOTZPT": -21.1, "PARNUM": 1, "EXTRAP": True, "SYNSWVER": "N/A", "GRAPHTAB": "N/A", "COMPTAB": "N/A"}
    return reference("IMAGE PHOTOMETRY TABLE", extensions, **keywords)


def _photometry() -> dict[str, tuple[float, float, float]]:
    """Return inverse sensitivity [erg/cm2/Angstrom/electron], pivot wavelength and width [Angstrom] by filter."""
    return {
        each.name: (each.photflam, round(1e4 * each.pivot, 1), each.photbw)
        for each in FILTERS.values()
        if each.photflam is not None and each.pivot is not None and each.photbw is not None
    }


def idctab() -> fits.HDUList:
    """Return the table of the distortion, the same in every filter."""
    fixed: dict[str, Any] = {
        "DETCHIP": 1, "XSIZE": FULL_LIGHT, "YSIZE": FULL_LIGHT, "XREF": XREF, "YREF": YREF,
        "V2REF": V2REF, "V3REF": V3REF, "SCALE": SCALE, "THETA": THETA,
    }  # fmt: skip
    formats = {"DETCHIP": "I", "DIRECTION": "8A", "FILTER": "8A", "XSIZE": "I", "YSIZE": "I"}
    formats |= dict.fromkeys(("XREF", "YREF", "V2REF", "V3REF", "SCALE", "THETA"), "E")
    for i, (row_x, row_y) in enumerate(zip(CX, CY, strict=True), start=1):
        for j, (cx, cy) in enumerate(zip(row_x, row_y, strict=True)):
            fixed |= {f"CX{i}{j}": cx, f"CY{i}{j}": cy}
            formats |= {f"CX{i}{j}": "D", f"CY{i}{j}": "D"}
    rows = [fixed | {"DIRECTION": "FORWARD", "FILTER": name} for name in (*_photometry(), "CLEAR")]
    return reference("DISTORTION COEFFICIENTS", [table("IDC", formats, rows)], NORDER=4, PARITY=-1)


def bpixtab(detector: Detector) -> fits.HDUList:
    """Return the table of bad pixels of the whole detector, in pixels of the light-sensitive frame."""
    y, x = np.nonzero(detector.flags)
    values = detector.flags[y, x]
    data = np.column_stack(
        [np.full(len(x), -999), x - BORDER + 1, y - BORDER + 1, np.ones_like(x), np.ones_like(x), values]
    )
    names = ("CCDCHIP", "PIX1", "PIX2", "LENGTH", "AXIS", "VALUE")
    columns = [fits.Column(name, "I", array=data[:, i].astype(np.int16)) for i, name in enumerate(names)]
    extension = fits.BinTableHDU.from_columns(columns, name="BPX")
    size = {"SIZAXIS1": FULL_LIGHT, "SIZAXIS2": FULL_LIGHT}
    extension.header.update(size)
    return reference("BAD PIXELS", [extension], **size)
