-- Measured helium excess of exposures beside the forecast of their dataset; a large catalog is sampled at random.
-- :limit int > 0 = 5000 | number of exposures
-- :filter str = all | filter, or all
-- :per_filter int > 0 = 1000000 | most exposures of a filter, drawn at random
SELECT e.rootname, e.filter, e.expstart, f.excess_helium_50, f.excess_helium_95, e.excess_helium, f.prob_damaged,
    e.tvb_class, f.basis
FROM exposures e JOIN forecast f USING (dataset)
WHERE e.excess_helium IS NOT NULL AND f.excess_helium_50 IS NOT NULL AND $filter IN (e.filter, 'all')
QUALIFY row_number() OVER (PARTITION BY e.filter ORDER BY hash(e.rootname)) <= $per_filter
ORDER BY hash(e.rootname) LIMIT $limit
