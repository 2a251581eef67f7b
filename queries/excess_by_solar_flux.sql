-- Median helium excess by solar flux, from your own CSV file with the columns mjd (one row per day) and flux.
-- For example, the daily F10.7 measured at Penticton.
-- :table str | path of the CSV file
-- :filter str = F105W | filter
-- :step float > 0 = 20 | width of a bin of flux
SELECT floor(f.flux / $step) * $step AS flux_from, count(*) AS n, median(e.excess_helium) AS median_excess
FROM exposures e JOIN read_csv($table) f ON floor(f.mjd) = floor(e.expstart)
WHERE e.filter = $filter AND e.excess_helium IS NOT NULL GROUP BY flux_from ORDER BY flux_from
