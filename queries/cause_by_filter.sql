-- Causes of the variable background, by filter; filters without the helium line are the control.
SELECT filter, filter NOT IN ('F105W', 'F110W', 'G102', 'G141') AS control, tvb_kind, count(*) AS n,
    count(*) / sum(count(*)) OVER (PARTITION BY filter) AS fraction, count(*) / any_value(n_filter) AS fraction_of_filter,
    median(excess_variable) AS median_excess_variable
FROM exposures JOIN (SELECT filter, count(*) AS n_filter FROM exposures GROUP BY filter) USING (filter)
WHERE tvb_kind IS NOT NULL GROUP BY filter, tvb_kind ORDER BY filter, n DESC, tvb_kind
