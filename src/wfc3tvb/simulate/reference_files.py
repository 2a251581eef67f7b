"""Make the reference files of synthetic exposures: all that calwf3, stwcs and AstroDrizzle need.

Images hold exactly what the simulated detector does, so calibration gives the truth back up to noise.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from wfc3tvb.instrument import COMMANDED_GAIN, DQ
from wfc3tvb.simulate.detector import MEAN_GAIN, NONLINEARITY, Detector, make_detector
from wfc3tvb.simulate.frame import FULL, Frame
from wfc3tvb.simulate.mdriztab import mdriztab
from wfc3tvb.simulate.plan import ExposurePlan
from wfc3tvb.simulate.reference_tables import bpixtab, ccdtab, crrejtab, idctab, imphttab, oscntab, reference
from wfc3tvb.simulate.timing import MAX_NSAMP, sample_times

_CONFIG: dict[str, Any] = {"CCDAMP": "ABCD", "CCDGAIN": COMMANDED_GAIN}


def reference_names(seed: int, frame: Frame, filter_name: str, samp_seq: str) -> dict[str, str]:
    """Return the names of the reference files of an exposure by keyword."""
    kind = "full" if frame.is_full else str(frame.size)
    flat = filter_name[1:4].lower()
    return {
        "BPIXTAB": f"s{seed}bad1i_bpx.fits",
        "CCDTAB": f"s{seed}amp1i_ccd.fits",
        "OSCNTAB": f"s{seed}ref1i_osc.fits",
        "CRREJTAB": f"s{seed}crs1i_crr.fits",
        "DARKFILE": f"s{seed}{samp_seq.lower()}{kind}i_drk.fits",
        "NLINFILE": f"s{seed}lin{kind}i_lin.fits",
        "PFLTFILE": f"s{seed}{flat}w{kind}i_pfl.fits",
        "IMPHTTAB": f"s{seed}pht1i_imp.fits",
        "IDCTAB": f"s{seed}idc1i_idc.fits",
        "MDRIZTAB": f"s{seed}mdz1i_mdz.fits",
    }


def write_references(folder: Path, detector: Detector, plans: Iterable[ExposurePlan]) -> tuple[Path, ...]:
    """Write the reference files of some exposures into a folder.

    Parameters
    ----------
    folder : Path
        Created if it does not exist.
    detector : Detector
        The pixels, cut to the frame of the exposures.
    plans : iterable of ExposurePlan
        The exposures.

    Returns
    -------
    tuple of Path
        The files, sorted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    seed, frame = detector.seed, detector.frame
    written: dict[str, Path] = {}
    for plan in plans:
        names = reference_names(seed, frame, plan.filter, plan.samp_seq)
        for keyword, name in names.items():
            if name not in written:
                content = _content(keyword, detector, plan)
                content[0].header["FILENAME"] = name
                written[name] = folder / name
                content.writeto(written[name], overwrite=True)
    return tuple(sorted(written.values()))


def _content(keyword: str, detector: Detector, plan: ExposurePlan) -> fits.HDUList:
    tables = {
        "CCDTAB": ccdtab, "OSCNTAB": oscntab, "CRREJTAB": crrejtab, "IMPHTTAB": imphttab, "IDCTAB": idctab,
        "MDRIZTAB": mdriztab,
    }  # fmt: skip
    if keyword in tables:
        return tables[keyword]()
    if keyword == "BPIXTAB":
        return bpixtab(make_detector(detector.seed, Frame(FULL)))
    if keyword == "DARKFILE":
        return dark_file(detector, plan.samp_seq)
    if keyword == "NLINFILE":
        return nonlinearity_file(detector)
    return flat_file(detector, plan.filter)


def dark_file(detector: Detector, samp_seq: str) -> fits.HDUList:
    """Return the dark current accumulated at every read of a sequence [DN], the last read first."""
    times = sample_times(samp_seq, MAX_NSAMP, detector.frame.size)[::-1]
    rate = detector.dark / detector.gain
    extensions: list[Any] = []
    for version, t in enumerate(times, start=1):
        image = _image("SCI", version, (rate * t).astype(np.float32), detector.frame, BUNIT="COUNTS")
        image.header["SAMPTIME"], image.header["SAMPNUM"] = float(t), MAX_NSAMP - version
        extensions += [image, *_constants(detector.frame, version, ("ERR", "DQ", "SAMP", "TIME"))]
    exposures = {f"EXPOS_{i}": float(t) for i, t in enumerate(times, start=1)}
    keywords = {"SAMP_SEQ": samp_seq, "SUBTYPE": detector.frame.subtype, "NUMEXPOS": len(times)} | exposures
    return reference("DARK", extensions, **_CONFIG, **keywords)


def nonlinearity_file(detector: Detector) -> fits.HDUList:
    """Return the polynomial of each pixel's nonlinearity, its saturation level and the super zero read [DN]."""
    frame = detector.frame
    planes = [np.zeros_like(detector.curvature), *(detector.curvature * np.float32(c) for c in NONLINEARITY)]
    extensions: list[Any] = [
        _image("COEF", i, plane, frame, BUNIT="UNITLESS") for i, plane in enumerate(planes, start=1)
    ]
    for version in range(1, 11):
        extensions += _constants(frame, version, ("ERR",))
    extensions += [
        _image("DQ", 1, np.zeros(detector.flags.shape, np.int16), frame),
        _image("NODE", 1, detector.saturation.astype(np.float64), frame),
        _image("ZSCI", 1, detector.zero, frame, BUNIT="COUNTS"),
        _image("ZERR", 1, np.full(detector.zero.shape, 9, np.float32), frame, BUNIT="COUNTS"),
    ]
    return reference("LINEARITY COEFFICIENTS", extensions, **_CONFIG, NCOEF=4, NERR=10)


def flat_file(detector: Detector, name: str) -> fits.HDUList:
    """Return the flat field of a filter; the differences of the amplifiers' gains are part of it."""
    response, blobs = detector.response(name)
    flat = (response * (MEAN_GAIN / detector.gain)).astype(np.float32)
    frame = detector.frame
    flags = np.where(detector.light, blobs, np.int16(0))
    error = np.full(flat.shape, 0.002, np.float32)
    extensions = [
        _image("SCI", 1, flat, frame, BUNIT="UNITLESS"),
        _image("ERR", 1, error, frame, BUNIT="UNITLESS"),
        _image("DQ", 1, (flags & DQ.BADFLAT).astype(np.int16), frame),
        *_constants(frame, 1, ("SAMP", "TIME")),
    ]
    return reference("PIXEL-TO-PIXEL FLAT", extensions, **_CONFIG, FILTER=name, OBSTYPE="IMAGING")


def _image(kind: str, version: int, data: NDArray[Any], frame: Frame, **keywords: object) -> fits.ImageHDU:
    hdu = fits.ImageHDU(data, name=kind, ver=version)
    offset = {"LTV1": float(frame.ltv), "LTV2": float(frame.ltv), "LTM1_1": 1.0, "LTM2_2": 1.0}
    hdu.header.update(offset | keywords)
    return hdu


def _constants(frame: Frame, version: int, kinds: Iterable[str]) -> list[fits.ImageHDU]:
    """Return constant extensions that represent an array of zeros."""
    made = []
    for kind in kinds:
        hdu = fits.ImageHDU(name=kind, ver=version)
        whole = kind in ("DQ", "SAMP")
        hdu.header.update({"NPIX1": frame.raw, "NPIX2": frame.raw, "PIXVALUE": 0 if whole else 0.0})
        made.append(hdu)
    return made
