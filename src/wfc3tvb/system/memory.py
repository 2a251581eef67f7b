"""Memory of this process and of the machine, as the system tells it."""

from __future__ import annotations

import os
import resource
from pathlib import Path


def forget_peak() -> None:
    """Set this process's peak back to what it has now, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def peak_mb() -> float:
    """Return the peak memory of this process [Mbyte]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def children_peak_mb() -> float:
    """Return the peak memory of the largest child that has ended [Mbyte]."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def available_mb() -> float:
    """Return the memory that programs can still have [Mbyte]; all there is, where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 1024
    except (OSError, StopIteration):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20
