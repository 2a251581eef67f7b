"""Changes that make no difference by design: (module, line of code, change), and why no test can notice them."""

from __future__ import annotations

_ROOM = "more room than is used"
_LINE = "only the error of this result is looked at, which is below 0"
#: Reasons by change; a line that is edited has to be judged again.
EQUIVALENT = {
    ("score/cause.py", "weight = np.exp(score - score.max())", "Sub -> Add"): (
        "the largest is subtracted against overflow alone, and the weights are normalized"
    ),
    ("calibration/crcorr/lanes.py", "_FLOAT_ROWS, _COUNT_ROWS = 12, 6", "12 -> 13"): _ROOM,
    ("calibration/crcorr/lanes.py", "_FLOAT_ROWS, _COUNT_ROWS = 12, 6", "6 -> 7"): _ROOM,
    ("calibration/crcorr/lanes.py", "if low[x] < high[x]:", "Lt -> LtE"): "an empty interval has no samples to look at",
    ("calibration/crcorr/slope.py", "return np.float32(0), np.float32(-1), 0, np.float32(0)", "0 -> 1"): _LINE,
    ("calibration/crcorr/slope.py", "return np.float32(0), np.float32(-1), 0, np.float32(0)", "1 -> 2"): _LINE,
    ("calibration/reference_pixels.py", "if mad < 1e-24:", "Lt -> LtE"): "no deviation of numbers in DN is 1e-24",
    ("curve/geometry.py", "return np.mod(angle + 180, 360) - 180", "Add -> Sub"): "a full turn less, taken off again",
    ("curve/trails.py", "n_pixels = cube.rate[0].size", "0 -> 1"): "all reads have as many pixels",
    (
        "curve/footprint.py",
        "if area > 0:  # as on a map with east on the right; in the sky east is on the left",
        "Gt -> GtE",
    ): "a frame without an area has no corners to order",
    ("curve/kernels.py", "sums, out = np.zeros(n + 1), np.empty(n)", "1 -> 2"): _ROOM,
    (
        "curve/intervals.py",
        "histogram = np.zeros((cells.row_starts.size - 1, cells.edges.size - 1, N_BINS + 2), np.uint32)",
        "2 -> 3",
    ): _ROOM,
}
