-- Cumulative distribution of the helium excess of a filter: one row per exposure, with the fraction that is no higher.
-- :filter str = F105W | filter
-- :limit int > 0 = 20000 | number of exposures
SELECT rootname, excess_helium, cume_dist() OVER (ORDER BY excess_helium) AS fraction
FROM exposures WHERE filter = $filter AND excess_helium IS NOT NULL ORDER BY excess_helium, rootname LIMIT $limit
