-- Mean excess of the sky over the exposure's lowest read, by angle between target and Earth's limb.
-- :filter str = F105W | filter
-- :step float > 0 = 10 | width of a bin of angle [deg]
SELECT floor(r.limb_angle / $step) * $step AS limb_angle_from, r.bright_limb, count(*) AS n_reads,
    avg(r.rate - e.sky_min) AS mean_excess
FROM reads r JOIN exposures e ON e.rootname = r.rootname
WHERE r.used AND e."filter" = $filter AND r.limb_angle IS NOT NULL GROUP BY limb_angle_from, r.bright_limb ORDER BY limb_angle_from, r.bright_limb
