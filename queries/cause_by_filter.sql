-- What causes the variable background, filter by filter; filters without the helium line are the control.
SELECT filter, tvb_kind, count(*) AS n, count(*) / sum(count(*)) OVER (PARTITION BY filter) AS fraction,
    median(excess_variable) AS median_excess_variable
FROM exposures WHERE tvb_kind IS NOT NULL GROUP BY filter, tvb_kind ORDER BY filter, n DESC, tvb_kind
