"""calwf3's IR arithmetic, arrays in, arrays out.

`steps.calibrate_ramp` runs the steps in the pipeline's order; each step is a function of its own in a module of its
group: `zeroth`, `bias`, `noise`, `linearity`, `dark`, `flux`, `rampfit`, `statistics`. Everything is single precision
where calwf3 is, in calwf3's order of operations, so that the results are equal to the last bit.

Sources: WFC3 Data Handbook 5, section 3.3 (IR data calibration steps); Fixsen et al. 2000, PASP 112, 1350.
"""
