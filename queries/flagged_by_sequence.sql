-- Observing advice: what fraction of the exposures of a filter should be repaired, by sample sequence.
-- Short steps between reads hide a change of the sky from the ramp fit; long ones let it be taken for a cosmic ray.
-- :filter str = F105W | filter
SELECT samp_seq, count(*) AS n, count(*) FILTER (flagged) / count(*) AS fraction_flagged,
    count(*) FILTER (tvb_class = 'severe') / count(*) AS fraction_severe, median(tvb_score) AS median_score,
    median(excess_variable) AS median_excess_variable, avg(pred_noise_inflation) AS mean_noise_inflation
FROM exposures WHERE filter = $filter GROUP BY samp_seq ORDER BY fraction_flagged DESC, samp_seq
