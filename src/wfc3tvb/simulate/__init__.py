"""Synthetic exposures and references with known truth, and the loopback archive."""
