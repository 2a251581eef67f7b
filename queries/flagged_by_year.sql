-- Fraction of a filter's exposures that should be repaired, by year.
-- :filter str = F105W | filter
SELECT year(make_date(1858, 11, 17) + CAST(floor(expstart) AS INTEGER)) AS year, count(*) AS n,
    count(*) FILTER (flagged) / count(*) AS fraction_flagged, median(sky_mean) AS median_sky
FROM exposures WHERE filter = $filter GROUP BY ALL ORDER BY year
