-- Median helium excess by day of the year; the Sun's declination decides how long the telescope is in shadow.
-- :filter str = F105W | filter
-- :step int > 0 = 30 | width of a bin [d]
WITH dated AS (
    SELECT dayofyear(make_date(1858, 11, 17) + CAST(floor(expstart) AS INTEGER)) AS day, excess_helium
    FROM exposures WHERE filter = $filter AND excess_helium IS NOT NULL
)
SELECT (day - 1) // $step * $step + 1 AS day_from, count(*) AS n, median(excess_helium) AS median_excess
FROM dated GROUP BY day_from ORDER BY day_from
