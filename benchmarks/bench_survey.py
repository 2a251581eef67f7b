"""Bytes, requests and speed of a survey: a loopback archive of full frames, by S3 and by MAST.

Run with ``python benchmarks/bench_survey.py [n_exposures]``; the archive takes 168 MB an exposure in a temporary
folder. Bytes and requests are those of the archive's own log, which runs in a process of its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from astropy.io import fits

from wfc3tvb.config import MeasureSettings, Selection, Services
from wfc3tvb.io.catalog import Catalog
from wfc3tvb.names import bucket_key
from wfc3tvb.pipeline.crawl import MastSource, S3Source
from wfc3tvb.pipeline.survey import survey

SIZE, NSAMP, WHOLE = 1024, 16, 168_261_120
SERVER = """
import json, sys, threading
from pathlib import Path
from wfc3tvb.simulate.archive import serve
with serve(Path(sys.argv[1]), log=Path(sys.argv[2])) as archive:
    print(json.dumps([archive.mast, archive.s3]), flush=True)
    threading.Event().wait()
"""


def main() -> None:
    """Print the table."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_frames(folder / "archive", n)
        print(f"{n} full frames of {NSAMP} reads, {WHOLE / 1e6:.1f} MB each; {os.cpu_count()} cores")
        print(f"{'source':8}{'rows':>6}{'jobs':>6}{'link':>16}{'requests':>10}{'MB':>8}{'exp/s':>8}{'link used':>11}")
        for source, rows, jobs, link in (
            (S3Source, 80, 1, None), (S3Source, 80, 2, None), (MastSource, 80, 1, None), (MastSource, 80, 2, None),
            (MastSource, 1014, 1, None), (S3Source, 80, 4, (0.3, 4e6)), (MastSource, 80, 4, (0.3, 4e6)),
        ):  # fmt: skip
            run(folder, n, source, rows, jobs, link)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        print(f"largest worker: {peak / 1024:.0f} MB")


def run(
    folder: Path, n: int, kind: type[MastSource], rows: int, jobs: int, link: tuple[float, float] | None
) -> None:
    """Survey once and print a line; `link` is its latency [s] and rate [byte/s]."""
    with tempfile.TemporaryDirectory() as scratch, archive(folder / "archive", Path(scratch) / "log") as services:
        source, settings = kind(services), MeasureSettings(rows=rows)
        catalog = Catalog.create(Path(scratch) / "catalog")
        # Workers start, and everything is imported, before the clock does.
        survey(catalog, Selection(limit=jobs), source=source, settings=settings, jobs=jobs)
        faults = dict(zip(("latency", "bytes_per_second"), link, strict=True)) if link else {}
        post(services.mast + "/faults", faults)
        lines = len((Path(scratch) / "log").read_text().splitlines())
        began = time.monotonic()
        report = survey(catalog, Selection(), source=source, settings=settings, jobs=jobs)
        seconds = time.monotonic() - began
        log = [json.loads(line) for line in (Path(scratch) / "log").read_text().splitlines()[lines:]]
    files = [entry for entry in log if ".fits" in entry["path"]]
    n_bytes = sum(entry["n_bytes"] for entry in files)
    used = f"{n_bytes / seconds / link[1]:11.0%}" if link else ""
    name = f"{link[0] * 1e3:.0f} ms {link[1] / 1e6:.0f} MB/s" if link else "loopback"
    each = f"{len(files) / report.n_measured:10.1f}{n_bytes / report.n_measured / 1e6:8.2f}"
    print(f"{source.name:8}{rows:6}{jobs:6}{name:>16}{each}{report.n_measured / seconds:8.2f}{used}", flush=True)


@contextmanager
def archive(folder: Path, log: Path) -> Iterator[Services]:
    """Serve a folder from a process of its own."""
    command = [sys.executable, "-c", SERVER, str(folder), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        mast, s3 = json.loads(server.stdout.readline())
        try:
            yield Services(mast=mast, s3=s3)
        finally:
            server.terminate()


def post(url: str, body: object) -> None:
    """Send JSON."""
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


def make_frames(folder: Path, n: int) -> None:
    """Write `n` lone exposures that differ in their names, laid out as the archive's files are."""
    first = folder / "frame.fits"
    folder.mkdir(parents=True)
    template("ibench00q").writeto(first)
    data = bytearray(first.read_bytes())
    first.unlink()
    for i in range(n):
        root = f"ibench{i:02d}q"
        path = folder / bucket_key(root, "ima")
        path.parent.mkdir(parents=True)
        at = data.index(b"ROOTNAME= '") + 11
        data[at : at + 9] = root.encode()
        path.write_bytes(data)


def template(root: str) -> fits.HDUList:
    """Return a full-frame intermediate file with a constant sky of 0.8 electron/s and read noise."""
    rng = np.random.default_rng(1)
    primary = fits.PrimaryHDU()
    primary.header.update({
        "EXTEND": True, "ROOTNAME": root, "INSTRUME": "WFC3", "DETECTOR": "IR", "OBSMODE": "MULTIACCUM",
        "FILTER": "F105W", "SAMP_SEQ": "SPARS100", "NSAMP": NSAMP, "NEXTEND": 5 * NSAMP, "ASN_ID": "NONE",
        "EXPSTART": 56000.0, "EXPEND": 56000.016, "EXPTIME": 1400.0, "DATE": "2020-01-01", "PROPOSID": 1,
        "ZOFFCORR": "COMPLETE", "SUBARRAY": False, "SUBTYPE": "FULLIMAG",
    })  # fmt: skip
    primary.header.extend([("HISTORY", f"line {i}") for i in range(250)])
    hdus = fits.HDUList([primary])
    for version, read in enumerate(range(NSAMP - 1, -1, -1), 1):
        t = 100.0 * read
        noise = rng.normal(0.8, 15 / max(t, 1), (SIZE, SIZE)) if read else np.zeros((SIZE, SIZE))
        sci = fits.ImageHDU(noise.astype(np.float32), name="SCI", ver=version)
        sci.header.update({"SAMPTIME": t, "BUNIT": "ELECTRONS/S", "ROUTTIME": 56000.0 + t / 86400})
        err = fits.ImageHDU(np.ones((SIZE, SIZE), np.float32), name="ERR", ver=version)
        dq = fits.ImageHDU(np.zeros((SIZE, SIZE), np.int16), name="DQ", ver=version)
        for hdu, lines in ((sci, 85), (err, 40)):
            hdu.header.extend([("HISTORY", f"line {i}") for i in range(lines)])
        constant = {"NPIX1": SIZE, "NPIX2": SIZE, "PIXVALUE": t}
        planes = [fits.ImageHDU(header=fits.Header(constant), name=n, ver=version) for n in ("SAMP", "TIME")]
        hdus.extend([sci, err, dq, *planes])
    return hdus


if __name__ == "__main__":
    main()
