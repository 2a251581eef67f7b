-- Fraction of reads with more than twice the zodiacal light, f(X > 2), in Earth's shadow and in sunlight.
-- X is the sky of a read divided by the predicted zodiacal light. Efficiency is the mean of 1 / X (X between 1 and 10): the
-- fraction of the time that the same depth would take without the excess (both after WFC3 ISR 2014-03).
-- :filter str = F105W | filter
SELECT r.in_shadow, count(*) AS n_reads, count(*) FILTER (WHERE r.rate > 2 * e.zodi_model) / count(*) AS fraction_above_twice,
    avg(1 / least(greatest(r.rate / e.zodi_model, 1), 10)) AS efficiency
FROM reads r JOIN exposures e ON e.rootname = r.rootname
WHERE r.used AND e."filter" = $filter AND e.zodi_model > 0 AND r.in_shadow IS NOT NULL GROUP BY r.in_shadow ORDER BY r.in_shadow
