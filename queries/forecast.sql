-- Datasets that helium damages most probably, by the forecast from geometry alone.
-- A forecast, not a measurement; excess_helium_50 and _95 are percentiles of the excess of an exposure.
-- :filter str = F105W | filter
-- :limit int > 0 = 20 | number of datasets
SELECT f.dataset, d.proposal_id, d.target_name, make_timestamp(CAST((f.start_time - 40587) * 86400e6 AS BIGINT)) AS start,
    f.n_exposures, f.sun_alt_min, f.sun_alt_max, f.frac_in_shadow, f.excess_helium_50, f.excess_helium_95,
    f.prob_damaged, f.basis
FROM forecast f LEFT JOIN datasets d USING (dataset)
WHERE f.filters = $filter ORDER BY f.prob_damaged DESC NULLS LAST, f.he_kr_75 DESC, f.dataset LIMIT $limit
