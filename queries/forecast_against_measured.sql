-- Measured helium excess of exposures beside the forecast of their dataset; a large catalog is sampled at random.
-- :limit int > 0 = 5000 | number of exposures
SELECT e.rootname, e.filter, e.expstart, f.excess_helium_50, f.excess_helium_95, e.excess_helium, f.prob_damaged,
    e.tvb_class, f.basis
FROM exposures e JOIN forecast f USING (dataset)
WHERE e.excess_helium IS NOT NULL AND f.excess_helium_50 IS NOT NULL ORDER BY hash(e.rootname) LIMIT $limit
