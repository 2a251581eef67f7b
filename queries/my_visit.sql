-- The exposures of one visit, with the verdict on each.
-- :visit str | first six characters of a rootname, e.g. ibohbf
SELECT rootname, filter, samp_seq, exptime, sky_mean, ratio_cumulative, tvb_score, pred_frac_broken,
    tvb_class, tvb_kind, recommend
FROM exposures WHERE visit = lower($visit) ORDER BY expstart, rootname
