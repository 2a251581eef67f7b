"""Measure the memory of this process and of the machine."""

from __future__ import annotations

import os
import resource
import sys
from functools import cache
from pathlib import Path

#: Size of the arrays that are used again [byte].
_KEPT = 24 << 20


@cache
def keep_freed_memory() -> None:
    """Have the memory of freed arrays used again, instead of fresh pages, which the system clears one by one.

    glibc keeps freed memory in blocks of up to the size of the largest array that has been freed (mallopt(3),
    M_MMAP_THRESHOLD), so one is made and freed. Other C libraries are not affected.
    """
    import numpy as np

    np.empty(_KEPT, np.uint8)


def forget_peak() -> None:
    """Reset this process's peak to its current memory, where the system supports that (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mb() -> float:
    """Return the peak memory of this process [Mbyte]."""
    return _largest_mb(resource.RUSAGE_SELF)


def children_peak_mb() -> float:
    """Return the peak memory of the largest child that has ended [Mbyte]."""
    return _largest_mb(resource.RUSAGE_CHILDREN)


def _largest_mb(who: int) -> float:
    """Return the largest resident set size [Mbyte]; macOS reports it in bytes, Linux in kilobytes."""
    unit = 2**20 if sys.platform == "darwin" else 1024
    return resource.getrusage(who).ru_maxrss / unit


def available_mb() -> float:
    """Return the available memory [Mbyte], or all memory of the machine if the system does not report it."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 1024
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
