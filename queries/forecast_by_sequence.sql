-- Chance that helium damages an exposure, by filter and sample sequence, by the forecast from geometry alone.
-- Exposures of less than 30 s are left out; datasets whose exposure time agrees with several sequences count in each.
SELECT filters, samp_seq, count(*) AS n_datasets, round(median(exptime / n_exposures), 1) AS median_exptime,
    round(avg(prob_elevated), 3) AS mean_prob_elevated, round(avg(prob_damaged), 3) AS mean_prob_damaged,
    round(max(prob_damaged), 3) AS max_prob_damaged
FROM (SELECT *, unnest(samp_seqs) AS samp_seq FROM forecast WHERE exptime / n_exposures >= 30)
GROUP BY filters, samp_seq HAVING max(prob_elevated) > 0 ORDER BY mean_prob_damaged DESC, filters, samp_seq
