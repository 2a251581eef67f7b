"""Likelihood fit of ramps whose sky is known read by read: the estimate with the least photon and read noise.

`fit.fit_ramps_optimal` is the function to call. `model` has its parameters and its result, `block` fits many pixels
side by side, `pixel` fits a single pixel with hits, saturated or lost reads.

Sources: Brandt 2024, PASP 136, 045004 and 045005 (likelihood of differences of reads, hits by the drop of chi^2); the
known sky of every interval was added in this package.
"""
