"""Arithmetic of calwf3's IR calibration, arrays in, arrays out.

`run.calibrate_ramp` runs the steps in the order of `steps.STEPS`. Each step is the function `apply` of a module named
after its switch: `dqicorr`, `zsigcorr`, `blevcorr`, `zoffcorr`, `error_array` (always done), `nlincorr`, `darkcorr`,
`unitcorr`, `crcorr` (a package: the ramp fit), `flatcorr`. Precision and order of operations are calwf3's, so that the
results are equal to the last bit.

Sources: WFC3 Data Handbook 5, section 3.3 (IR data calibration steps); Fixsen et al. 2000, PASP 112, 1350.
"""
