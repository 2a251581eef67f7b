-- Fraction of a filter's exposures that should be repaired, by sample sequence, for planning observations.
-- With short intervals between reads the ramp fit does not notice a change of the sky; with long ones it takes the change
-- for a cosmic ray.
-- :filter str = F105W | filter
SELECT samp_seq, count(*) AS n, count(*) FILTER (WHERE flagged) / count(*) AS fraction_flagged,
    count(*) FILTER (WHERE tvb_class = 'severe') / count(*) AS fraction_severe, median(tvb_score) AS median_score,
    median(excess_variable) AS median_excess_variable, avg(pred_noise_inflation) AS mean_noise_inflation
FROM exposures WHERE filter = $filter GROUP BY samp_seq ORDER BY fraction_flagged DESC, samp_seq
