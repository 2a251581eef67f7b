-- Mean excess of the sky over the exposure's lowest read, in sunlight, by latitude below the telescope.
-- :filter str = F105W | filter
-- :step float > 0 = 5 | width of a bin of latitude [deg]
SELECT floor(r.latitude / $step) * $step AS latitude_from, count(*) AS n_reads, avg(r.rate - e.sky_min) AS mean_excess
FROM reads r JOIN exposures e ON e.rootname = r.rootname
WHERE r.used AND e."filter" = $filter AND NOT r.in_shadow GROUP BY latitude_from ORDER BY latitude_from
