"""A small folder laid out like the public bucket: two associations and a single exposure, and a few references."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from wfc3tvb.identifiers import bucket_key
from wfc3tvb.loopback import Archive, Faults

#: Datasets and their members.
DATASETS = {
    "ibohbf040": ("ibohbfb7q", "ibohbfb9q", "ibohbfbgq"),
    "ibohbf050": ("ibohbfc1q", "ibohbfc3q"),
    "ibxy01z8q": ("ibxy01z8q",),
}
ORBIT = {
    "EPCHTIME": 7.2e8, "SEMILREC": 6.93e6, "ECCENTRY": 2.5e-4, "SINEINCL": 0.4763, "COSINCLI": 0.8793,
    "MEANANOM": 1.0, "FDMEANAN": 1.743e-4, "SDMEANAN": 0.0, "ARGPERIG": 0.2, "RCARGPER": 1e-7, "RASCASCN": 0.3,
    "RCASCNRV": -1e-7,
}  # fmt: skip
REFERENCES = {
    "t2c16200i_ccd.fits": {}, "q911321mi_osc.fits": {}, "u6a1748ri_crr.fits": {}, "4af1533ai_imp.fits": {},
    "w3m18525i_idc.fits": {}, "3562021pi_mdz.fits": {}, "u1k1727mi_lin.fits": {}, "35620125i_bpx.fits": {},
    "35620129i_bpx.fits": {"USEAFTER": "Jan 01 2013 00:00:00"},
    "35620111i_drk.fits": {"CCDAMP": "ABCD", "SAMP_SEQ": "STEP200", "SUBTYPE": "FULLIMAG", "CCDGAIN": 2.5},
    "35620112i_drk.fits": {"CCDAMP": "ABCD", "SAMP_SEQ": "SPARS100", "SUBTYPE": "FULLIMAG", "CCDGAIN": 2.5},
    "4ac19222i_pfl.fits": {"CCDAMP": "ABCD", "FILTER": "F105W"},
    "4ac19223i_pfl.fits": {"CCDAMP": "ABCD", "FILTER": "F110W"},
}  # fmt: skip


def make_archive(folder: Path, *, size: int = 64, nsamp: int = 5) -> Path:
    """Write the folder and return it."""
    for number, (dataset, members) in enumerate(DATASETS.items()):
        lone = dataset in members
        for i, root in enumerate(members):
            start = 55800.0 + 10 * number + i * 0.01
            header = primary_header(root, None if lone else dataset, start, nsamp, size)
            write(folder, root, "ima", ima(header, size, nsamp, sky=0.5 + 0.1 * i))
            write(folder, root, "raw", fits.HDUList(primary(header)))
            write(folder, root, "spt", fits.HDUList(primary(ORBIT | {"ROOTNAME": root})))
        if not lone:
            write(folder, dataset, "asn", association(dataset, members))
    for name, keywords in REFERENCES.items():
        header = fits.Header({"USEAFTER": "May 14 2009 00:00:00", "DETECTOR": "IR"} | keywords)
        path = folder / "references" / name
        path.parent.mkdir(exist_ok=True)
        fits.HDUList([primary(header), fits.ImageHDU(np.zeros((8, 8), np.float32))]).writeto(path)
    return folder


def as_new(archive: Archive) -> Archive:
    """Return a running archive without faults and with an empty log."""
    vars(archive.faults).update(vars(Faults()))
    archive.log.entries.clear()
    return archive


def primary(keywords: Any) -> fits.PrimaryHDU:
    hdu = fits.PrimaryHDU()
    hdu.header.update({"EXTEND": True})
    hdu.header.update(keywords)
    return hdu


def write(folder: Path, root: str, suffix: str, hdus: fits.HDUList) -> None:
    path = folder / bucket_key(root, suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    hdus[0].header["FILENAME"] = path.name
    hdus.writeto(path)


def primary_header(root: str, dataset: str | None, start: float, nsamp: int, size: int) -> fits.Header:
    keywords: dict[str, Any] = {
        "TELESCOP": "HST", "INSTRUME": "WFC3", "DETECTOR": "IR", "OBSMODE": "MULTIACCUM", "ROOTNAME": root,
        "FILTER": "F105W", "SAMP_SEQ": "STEP200", "NSAMP": nsamp, "NEXTEND": 5 * nsamp, "PROPOSID": 12099,
        "RA_TARG": 53.1 if dataset else 258.8, "DEC_TARG": -27.8,
        "PR_INV_L": "Faber", "TARGNAME": "GSD-Z7", "EXPSTART": start, "EXPEND": start + 0.005, "EXPTIME": 400.0,
        "DATE": "2020-02-03", "DATE-OBS": "2011-09-12", "TIME-OBS": "12:00:00", "SUBTYPE": "FULLIMAG",
        "SUBARRAY": False, "APERTURE": "IR", "CCDAMP": "ABCD", "CCDGAIN": 2.5, "SUN_ALT": 12.5, "PROCTIME": 58882.5,
        "ASN_ID": dataset.upper() if dataset else "NONE", "ZOFFCORR": "COMPLETE", "PA_V3": 0.0, "EXPFLAG": "NORMAL",
        "POSTARG1": 0.0, "POSTARG2": 0.0, "CAL_VER": "3.5.2", "FGSLOCK": "FINE", "SCAN_TYP": "N",
    }  # fmt: skip
    keywords |= dict.fromkeys(("DQICORR", "DARKCORR", "FLATCORR", "PHOTCORR", "CRCORR", "NLINCORR"), "PERFORM")
    keywords |= {"DRIZCORR": "PERFORM"} | dict.fromkeys(
        ("BPIXTAB", "CCDTAB", "OSCNTAB", "CRREJTAB", "DARKFILE", "NLINFILE", "PFLTFILE", "IMPHTTAB", "IDCTAB",
         "MDRIZTAB", "BIASFILE"), "N/A")  # fmt: skip
    return fits.Header(keywords)


def ima(keywords: fits.Header, size: int, nsamp: int, sky: float) -> fits.HDUList:
    """Return an intermediate file as the archive lays it out: the last read first, SAMP and TIME constant."""
    rng = np.random.default_rng(1)
    hdus = fits.HDUList([primary(keywords)])
    for version, read in enumerate(range(nsamp - 1, -1, -1), 1):
        t = 100.0 * read
        noise = rng.normal(0, 1 / max(t, 1), (size, size)) if read else np.zeros((size, size))
        sci = fits.ImageHDU((noise + (sky if read else 0)).astype(np.float32), name="SCI", ver=version)
        read_at = float(keywords["EXPSTART"]) + t / 86400
        sci.header.update({"SAMPNUM": read, "SAMPTIME": t, "BUNIT": "ELECTRONS/S", "ROUTTIME": read_at})
        sci.header.update({f"FILL{i}": i for i in range(90)})
        err = fits.ImageHDU(np.ones((size, size), np.float32), name="ERR", ver=version)
        err.header.update({f"FILL{i}": i for i in range(40)})
        dq = fits.ImageHDU(np.full((size, size), harmless_flags(version), np.int16), name="DQ", ver=version)
        constant = {"NPIX1": size, "NPIX2": size, "PIXVALUE": t}
        planes = [fits.ImageHDU(header=fits.Header(constant), name=n, ver=version) for n in ("SAMP", "TIME")]
        hdus.extend([sci, err, dq, *planes])
    return hdus


def harmless_flags(version: int) -> int:
    """Return flags that tell a read from the others and leave its pixels in the sky: 32, 64, 2048 and 16384."""
    return sum(bit for k, bit in enumerate((32, 64, 2048, 16384)) if version >> k & 1)


def association(dataset: str, members: tuple[str, ...]) -> fits.HDUList:
    rows = [(name.upper(), "EXP-DTH", True) for name in members] + [(dataset.upper(), "PROD-DTH", True)]
    names, kinds, present = zip(*rows, strict=True)
    table = fits.BinTableHDU.from_columns([
        fits.Column("MEMNAME", "14A", array=np.array(names)), fits.Column("MEMTYPE", "14A", array=np.array(kinds)),
        fits.Column("MEMPRSNT", "L", array=np.array(present)),
    ])  # fmt: skip
    header = fits.Header({"INSTRUME": "WFC3", "DETECTOR": "IR", "ASN_ID": dataset.upper(), "ASN_TAB": dataset})
    return fits.HDUList([primary(header), table])
