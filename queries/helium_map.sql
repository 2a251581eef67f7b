-- Brightness of the helium line in sunlight, as a map over latitude below the telescope and the Sun's hour angle.
-- The factor from rate to brightness is that of he_kr, taken from the exposures themselves.
-- :filter str = F105W | filter
-- :step float > 0 = 15 | width of a bin [deg]
WITH factor AS (
    SELECT median(he_kr / excess_helium) AS kr_per_rate FROM exposures
    WHERE filter = $filter AND excess_helium > 0.1 AND he_kr IS NOT NULL
),
binned AS (
    SELECT floor(r.latitude / $step) * $step AS latitude_from, floor(r.sun_hour_angle / $step) * $step AS hour_angle_from,
        count(*) AS n_reads, avg(r.rate - e.zodi_model) AS mean_rate
    FROM reads r JOIN exposures e USING (rootname)
    WHERE r.used AND e.filter = $filter AND NOT r.in_shadow AND e.zodi_model IS NOT NULL GROUP BY ALL
)
SELECT latitude_from, hour_angle_from, n_reads, mean_rate * kr_per_rate AS mean_kr
FROM binned CROSS JOIN factor ORDER BY latitude_from, hour_angle_from
