-- Fraction of the exposures of each filter that should be repaired.
SELECT filter, count(*) AS n, count(*) FILTER (WHERE flagged) AS n_flagged,
    count(*) FILTER (WHERE flagged) / count(*) AS fraction_flagged
FROM exposures GROUP BY filter ORDER BY filter
