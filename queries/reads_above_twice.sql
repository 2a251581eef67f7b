-- How often a read shows more than twice the exposure's lowest sky, in Earth's shadow and in sunlight.
-- :filter str = F105W | filter
SELECT r.in_shadow, count(*) AS n_reads, count(*) FILTER (r.rate > 2 * e.sky_min) / count(*) AS fraction_above_twice
FROM reads r JOIN exposures e USING (rootname)
WHERE r.used AND e.filter = $filter AND e.sky_min > 0 AND r.in_shadow IS NOT NULL GROUP BY r.in_shadow ORDER BY 1
