-- Mean excess of the sky over the zodiacal light by altitude of the Sun, before and after local noon (dawn and dusk).
-- :filter str = F105W | filter
-- :step float > 0 = 10 | width of a bin of altitude [deg]
SELECT floor(r.sun_alt / $step) * $step AS sun_alt_from, r.sun_hour_angle < 0 AS dawn_side, count(*) AS n_reads,
    avg(r.rate) AS mean_rate, avg(r.rate - e.zodi_model) AS mean_excess
FROM reads r JOIN exposures e ON e.rootname = r.rootname
WHERE r.used AND e."filter" = $filter AND r.sun_alt IS NOT NULL GROUP BY sun_alt_from, dawn_side ORDER BY sun_alt_from, dawn_side
