-- Observing advice: what fraction of the exposures of a filter should be repaired, by sample sequence.
-- :filter str = F105W | filter
SELECT samp_seq, count(*) AS n, count(*) FILTER (flagged) / count(*) AS fraction_flagged,
    median(tvb_score) AS median_score, median(excess_variable) AS median_excess_variable
FROM exposures WHERE filter = $filter GROUP BY samp_seq ORDER BY fraction_flagged DESC, samp_seq
