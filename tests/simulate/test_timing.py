"""Read times: equal to the published table, in every frame and sequence."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.recorded import table
from wfc3tvb.errors import BadArgumentError
from wfc3tvb.simulate.frame import Frame
from wfc3tvb.simulate.timing import SAMPLE_TIMES, SEQUENCES, is_flight_mode, sample_times, zeroth_read_time


def test_equal_to_the_published_table() -> None:
    rows = table("truth/multiaccum_times.csv")
    assert len(rows) == 15 * len(SAMPLE_TIMES) == 360
    for row in rows:
        times = sample_times(row["samp_seq"], 16, int(row["subarray"]))
        assert times[int(row["sampnum"])] == float(row["samptime_s"])


@pytest.mark.parametrize("samp_seq", SEQUENCES)
@pytest.mark.parametrize("size", [64, 128, 256, 512, 1024])
def test_times_rise_and_start_at_zero(samp_seq: str, size: int) -> None:
    times = sample_times(samp_seq, 16, size)
    assert times.shape == (16,)
    assert times[0] == 0
    assert np.all(np.diff(times) > 0)


def test_pairs_outside_the_tables_take_the_full_frames_times() -> None:
    assert not is_flight_mode("STEP200", 256)
    assert np.array_equal(sample_times("STEP200", 9, 256), sample_times("STEP200", 9))
    assert zeroth_read_time(sample_times("RAPID")) == pytest.approx(2.911465, abs=1e-9)


@pytest.mark.parametrize(("samp_seq", "nsamp", "size"), [("STEP7", 16, 1024), ("RAPID", 1, 1024), ("RAPID", 2, 100)])
def test_refuses_what_the_instrument_cannot_do(samp_seq: str, nsamp: int, size: int) -> None:
    with pytest.raises(BadArgumentError):
        sample_times(samp_seq, nsamp, size)


def test_frames() -> None:
    full, small = Frame(1024), Frame(256)
    assert (full.raw, full.light, full.ltv, full.subtype) == (1024, 1014, 5, "FULLIMAG")
    assert (small.raw, small.light, small.ltv, small.subtype) == (266, 256, -374, "SQ256SUB")
    assert small.cut[0] == slice(379, 645)
    assert [Frame(s).ltv for s in (64, 512)] == [-470, -246]
