"""Likelihood fit of ramps whose sky is known read by read: the best estimate that photons and reads allow.

`fit.fit_ramps_optimal` is the function to call. `model` holds its parameters and its result, `block` solves many
pixels side by side, `pixel` one pixel with hits, saturated or lost reads.

Sources: Brandt 2024, PASP 136, 045004 and 045005 (likelihood of differences of reads, hits by the drop of chi^2); the
known sky of every interval is this package's own.
"""
