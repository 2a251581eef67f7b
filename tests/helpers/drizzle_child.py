"""Run stwcs and AstroDrizzle on simulated exposures, in a separate process and folder.

Usage: python drizzle_child.py SIMULATED WORK ASSOCIATION

The exposures are calibrated by the shortest way (last read less zeroth, dark, flat, gain), so that this tests headers
and references whatever engine there is. Prints one line of JSON: by rootname, the WCS's place of each source.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS


def plain_flt(raw: Path, references: Path, out: Path) -> None:
    """Write an FLT: one group, trimmed, in electron/s."""
    with fits.open(raw) as hdus:
        primary, sci = hdus[0].header.copy(), hdus["SCI", 1].header.copy()
        image = hdus["SCI", 1].data.astype("f4") - hdus["SCI", primary["NSAMP"]].data
        error = hdus["ERR", 1].header.copy()

    def data(keyword: str, extension: object) -> np.ndarray:
        return fits.getdata(references / primary[keyword].removeprefix("iref$"), extension)

    border = np.ones(image.shape, bool)
    border[5:-5, 5:-5] = False
    image -= image[border].mean()
    image = (image - data("DARKFILE", ("SCI", 1))) / data("PFLTFILE", "SCI") * 2.35 / sci["SAMPTIME"]
    image = image[5:-5, 5:-5].astype("f4")
    for key in ("CRPIX1", "CRPIX2", "LTV1", "LTV2"):
        sci[key] -= 5
    for key in ("BZERO", "BSCALE"):
        sci.remove(key, ignore_missing=True)
    for key in ("NPIX1", "NPIX2", "PIXVALUE"):
        error.remove(key, ignore_missing=True)
    sci["NGOODPIX"], sci["BUNIT"], sci["MEANDARK"] = image.size, "ELECTRONS/S", 1.0
    for amp in "ABCD":
        primary[f"ATODGN{amp}"], primary[f"READNSE{amp}"] = 2.35, 20.0
    primary["FILENAME"], primary["NEXTEND"] = out.name, 5
    bad, flags = data("BPIXTAB", 1), np.zeros(image.shape, "i2")
    x, y = bad["PIX1"] - 1 + int(sci["LTV1"]), bad["PIX2"] - 1 + int(sci["LTV2"])
    inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
    flags[y[inside], x[inside]] = bad["VALUE"][inside]
    planes = [("SCI", image, sci), ("ERR", np.full_like(image, 0.04), error), ("DQ", flags, None)]
    planes += [("SAMP", np.full(image.shape, 15, "i2"), None), ("TIME", np.full_like(image, sci["SAMPTIME"]), None)]
    extensions = [fits.ImageHDU(array, header, name=name, ver=1) for name, array, header in planes]
    fits.HDUList([fits.PrimaryHDU(header=primary), *extensions]).writeto(out)


def main(simulated: Path, work: Path, association: str) -> None:
    """Calibrate, update the WCS, drizzle, print where the sources are."""
    references = simulated / "references"
    for raw in sorted(simulated.glob(f"hst/public/*/*/{association[:6]}*_raw.fits")):
        plain_flt(raw, references, work / raw.name.replace("_raw", "_flt"))
    shutil.copy(next(simulated.glob(f"hst/public/*/*/{association}_asn.fits")), work)
    with (simulated / "truth" / f"{association}_sources.csv").open() as file:
        rows = list(csv.DictReader(file))
    ra, dec = (np.array([float(row[name]) for row in rows]) for name in ("ra", "dec"))
    os.environ |= {"iref": f"{references}/", "MPLBACKEND": "Agg", "HOME": str(work), "MPLCONFIGDIR": str(work)}
    os.chdir(work)
    from drizzlepac.astrodrizzle import AstroDrizzle
    from stwcs.updatewcs import updatewcs

    names = sorted(str(path) for path in Path().glob("*_flt.fits"))
    updatewcs(names, use_db=False)
    places = {}
    for name in names:
        with fits.open(name) as hdus:
            header = hdus["SCI", 1].header
            assert header["CTYPE1"] == "RA---TAN-SIP"
            assert "OCX10" in header
            x, y = WCS(header, hdus).all_world2pix(ra, dec, 0)
        places[name[:9]] = [x.tolist(), y.tolist()]
    AstroDrizzle(
        f"{association}_asn.fits",
        mdriztab=True,
        build=True,
        preserve=False,
        num_cores=1,
        clean=True,
        output=association,
    )
    sys.__stdout__.write("\n" + json.dumps(places) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3])
