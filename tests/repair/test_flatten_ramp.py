"""Repair of one RAW file, as a notebook does it: products, the RAW untouched, and errors that are said."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

import wfc3tvb
from wfc3tvb.errors import BadArgumentError, InputError, OutputExistsError, RefusedError
from wfc3tvb.simulate.visit import SimulatedVisit, simulate

pytestmark = pytest.mark.slow
NAME = "ibohbfbkq"


@pytest.fixture(scope="module")
def visit(tmp_path_factory: pytest.TempPathFactory) -> SimulatedVisit:
    return simulate(tmp_path_factory.mktemp("visit"), "ibohbf040", size=128, products=False)


@pytest.fixture
def raw(visit: SimulatedVisit, tmp_path: Path) -> Path:
    """Return a RAW file in a folder of its own, without an association table."""
    return Path(shutil.copy(visit.path(NAME, "raw"), tmp_path))


def medians(ima: Path, name: str = "SCI") -> NDArray[np.float64]:
    """Return the median of every read, in time order and without the zeroth."""
    with fits.open(ima) as hdus:
        n = int(hdus[0].header["NSAMP"])
        return np.array([np.median(hdus[name, v].data[5:-5, 5:-5]) for v in range(n - 1, 0, -1)])


def test_a_flattened_ramp_has_one_rate(raw: Path, visit: SimulatedVisit) -> None:
    """The cumulative rate rises from 0.46 to 1.04 electron/s, and is 1.04 in all reads of the flattened IMA."""
    before, truth = raw.read_bytes(), visit.truth(NAME)["mean_rate"]
    made = wfc3tvb.flatten_ramp(raw, iref=visit.references)
    assert made.flt == raw.parent / f"flattened_{NAME}_flt.fits"
    assert raw.read_bytes() == before
    assert sorted(path.name for path in raw.parent.iterdir()) == sorted([raw.name, made.flt.name, made.ima.name])
    assert medians(made.ima)[7:] == pytest.approx(truth, abs=0.01)
    assert np.median(fits.getdata(made.flt, "SCI")) == pytest.approx(truth, abs=0.01)
    header = fits.getheader(made.flt)
    assert (header["CRCORR"], header["TVBMETH"], header["TVBREADS"]) == ("COMPLETE", "flatten", "1-15")
    assert made.measured.exposure["tvb_class"] == "severe"


def test_the_likelihood_fit_flags_its_hits_from_their_read_on(raw: Path, visit: SimulatedVisit) -> None:
    made = wfc3tvb.flatten_ramp(raw, method="optimal", iref=visit.references, outdir=raw.parent / "new")
    assert made.flt.parent == raw.parent / "new"
    with fits.open(made.ima) as hdus:
        hit = np.array([hdus["DQ", v].data[5:-5, 5:-5] & 8192 != 0 for v in range(15, 0, -1)])
    assert (hit[1:] >= hit[:-1]).all()
    assert 0.02 < hit[-1].mean() < 0.08
    sky = fits.getdata(made.flt, "SCI")[hit[-1] & (fits.getdata(made.flt, "DQ") == 0)]
    assert np.median(sky) == pytest.approx(visit.truth(NAME)["mean_rate"], abs=0.02)
    assert np.mean(np.abs(sky - np.median(sky)) < 0.15) > 0.95


def test_products_are_replaced_only_if_asked(raw: Path, visit: SimulatedVisit) -> None:
    wfc3tvb.flatten_ramp(raw, method="omit", iref=visit.references, write_ima=False)
    with pytest.raises(OutputExistsError, match=f"flattened_{NAME}_flt.fits exists already"):
        wfc3tvb.flatten_ramp(raw, iref=visit.references)
    made = wfc3tvb.flatten_ramp(raw, iref=visit.references, overwrite=True, write_ima=False)
    assert made.ima is None
    assert fits.getheader(made.flt)["TVBMETH"] == "flatten"


def test_errors_name_the_cause(raw: Path, visit: SimulatedVisit, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadArgumentError, match="unknown method 'flat'; choose optimal, omit, flatten or mask_reads"):
        wfc3tvb.flatten_ramp(raw, method="flat", iref=visit.references)
    monkeypatch.delenv("iref", raising=False)
    with pytest.raises(BadArgumentError, match="pass iref, or set the variable iref"):
        wfc3tvb.flatten_ramp(raw)
    with pytest.raises(InputError, match="no_such_raw.fits"):
        wfc3tvb.flatten_ramp(raw.with_name("no_such_raw.fits"), iref=visit.references)
    with pytest.raises(InputError, match="not in"):
        wfc3tvb.flatten_ramp(raw, iref=raw.parent)
    fits.setval(raw, "FILTER", value="G141")
    with pytest.raises(RefusedError, match="the sky of a grism exposure is not the same in all pixels"):
        wfc3tvb.flatten_ramp(raw, iref=visit.references)
