"""Times of the reads of a MULTIACCUM exposure.

Source: HST Phase II Proposal Instructions (cycle 22), section 13.3.6, and WFC3 Instrument Handbook, section 7.7:
times of sample 1 to 15 since the zeroth read [s]. The hardware can do more pairs of sequence and subarray than the
tables name; for those the full frame's times are used, so that any sequence can be tried on a small frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.simulate.frame import FULL, Frame

#: Longest exposure: the zeroth read and fifteen samples.
MAX_NSAMP = 16
#: Time of read 1 minus the time from the reset to the zeroth read [s] (calwf3; keyword SAMPZERO).
_RESET = 0.020535

# Frame size, sequence, times [s].
_TABLE = """
1024 RAPID 2.932 5.865 8.797 11.729 14.661 17.594 20.526 23.458 26.391 29.323 32.255 35.187 38.12 41.052 43.984
512 RAPID 0.853 1.706 2.559 3.412 4.265 5.118 5.971 6.824 7.677 8.53 9.383 10.236 11.089 11.942 12.795
256 RAPID 0.278 0.556 0.833 1.111 1.389 1.667 1.945 2.223 2.5 2.778 3.056 3.334 3.612 3.889 4.167
128 RAPID 0.113 0.225 0.338 0.451 0.564 0.676 0.789 0.902 1.014 1.127 1.24 1.352 1.465 1.578 1.691
64 RAPID 0.061 0.122 0.182 0.243 0.304 0.365 0.425 0.486 0.547 0.608 0.669 0.729 0.79 0.851 0.912
1024 SPARS5 2.932 7.933 12.934 17.935 22.935 27.936 32.937 37.938 42.938 47.939 52.94 57.941 62.942 67.942 72.943
512 SPARS5 0.853 3.775 6.696 9.618 12.539 15.461 18.382 21.304 24.225 27.147 30.068 32.99 35.911 38.833 41.754
256 SPARS5 0.28 2.629 4.978 7.327 9.676 12.025 14.374 16.723 19.072 21.421 23.77 26.119 28.468 30.817 33.166
1024 SPARS10 2.932 12.933 22.934 32.935 42.936 52.937 62.938 72.939 82.94 92.941 102.942 112.943 122.944 132.945
+ 142.946
512 SPARS10 0.853027 8.774724 16.696421 24.618118 32.539814 40.46151 48.383205 56.304901 64.226601 72.1483 80.07
+ 87.991699 95.913399 103.835098 111.756798
256 SPARS10 0.278 7.624 14.971 22.317 29.664 37.01 44.357 51.703 59.05 66.396 73.743 81.089 88.436 95.782 103.129
128 SPARS10 0.113 7.294 14.475 21.657 28.838 36.02 43.201 50.382 57.564 64.745 71.926 79.108 86.289 93.471 100.652
1024 SPARS25 2.932 27.933 52.933 77.934 102.934 127.935 152.935 177.936 202.936 227.937 252.937 277.938 302.938
+ 327.939 352.94
512 SPARS25 0.853 23.774 46.696 69.617 92.538 115.459 138.381 161.302 184.223 207.144 230.066 252.987 275.908 298.829
+ 321.751
256 SPARS25 0.278 22.624 44.97 67.316 89.662 112.008 134.354 156.7 179.046 201.392 223.738 246.084 268.43 290.776
+ 313.122
1024 SPARS50 2.932 52.933 102.933 152.934 202.934 252.935 302.935 352.935 402.936 452.936 502.937 552.937 602.938
+ 652.938 702.939
1024 SPARS100 2.932 102.933 202.933 302.933 402.934 502.934 602.934 702.935 802.935 902.935 1002.936 1102.936 1202.936
+ 1302.936 1402.937
1024 SPARS200 2.932 202.932 402.932 602.932 802.933 1002.933 1202.933 1402.933 1602.933 1802.933 2002.933 2202.933
+ 2402.933 2602.933 2802.933
1024 STEP25 2.932 5.865 8.797 11.729 24.23 49.23 74.231 99.231 124.232 149.232 174.233 199.233 224.234 249.234 274.235
512 STEP25 0.853 1.706 2.559 3.412 13.833 36.755 59.676 82.597 105.518 128.44 151.361 174.282 197.203 220.125 243.046
1024 STEP50 2.932 5.865 8.797 11.729 24.23 49.23 99.231 149.231 199.232 249.232 299.232 349.233 399.233 449.234 499.234
1024 STEP100 2.932 5.865 8.797 11.729 24.23 49.23 99.231 199.231 299.231 399.232 499.232 599.232 699.233 799.233 899.233
1024 STEP200 2.932 5.865 8.797 11.729 24.23 49.23 99.231 199.231 399.231 599.231 799.231 999.231 1199.231 1399.231
+ 1599.231
1024 STEP400 2.932 5.865 8.797 11.729 24.23 49.23 99.231 199.231 399.231 799.232 1199.232 1599.233 1999.233 2399.234
+ 2799.235
"""


def _parse(table: str) -> dict[tuple[int, str], tuple[float, ...]]:
    rows = (line.split() for line in table.replace("\n+", "").strip().splitlines())
    return {(int(size), name): tuple(map(float, times)) for size, name, *times in rows}


#: Times of the samples [s] by frame size and sequence.
SAMPLE_TIMES = _parse(_TABLE)
#: Names of the sequences.
SEQUENCES = tuple(sorted({name for _, name in SAMPLE_TIMES}))


def is_flight_mode(samp_seq: str, size: int = FULL) -> bool:
    """Return True if the tables have times for a sequence on a frame of this size."""
    return (size, samp_seq) in SAMPLE_TIMES


def sample_times(samp_seq: str, nsamp: int = MAX_NSAMP, size: int = FULL) -> NDArray[np.float64]:
    """Return the time of every read since the zeroth.

    Parameters
    ----------
    samp_seq : str
        One of `SEQUENCES`.
    nsamp : int
        Number of reads, the zeroth included: 2 to 16.
    size : int
        One of `frame.SIZES`.

    Returns
    -------
    ndarray, shape (nsamp,)
        Times [s], in time order; the first is 0.

    Raises
    ------
    BadArgumentError
        If sequence, frame or number of reads is unknown.
    """
    Frame(size)
    if samp_seq not in SEQUENCES:
        raise BadArgumentError(f"unknown sequence {samp_seq!r}; choose one of {', '.join(SEQUENCES)}")
    if not 2 <= nsamp <= MAX_NSAMP:
        raise BadArgumentError(f"NSAMP must be 2 to {MAX_NSAMP}, not {nsamp}")
    times = SAMPLE_TIMES.get((size, samp_seq), SAMPLE_TIMES[FULL, samp_seq])
    return np.array((0.0, *times[: nsamp - 1]))


def zeroth_read_time(times: NDArray[np.float64]) -> float:
    """Return the time from the reset to the zeroth read [s], given the `times` of the reads."""
    return float(times[1] - _RESET)
