-- Median helium excess against a solar flux that you bring: a CSV file with the columns mjd (a day) and flux.
-- E.g. the daily F10.7 of Penticton.
-- :table str | path of the CSV file
-- :filter str = F105W | filter
-- :step float > 0 = 20 | width of a bin of flux
SELECT floor(f.flux / $step) * $step AS flux_from, count(*) AS n, median(e.excess_helium) AS median_excess
FROM exposures e JOIN read_csv($table) f ON floor(f.mjd) = floor(e.expstart)
WHERE e.filter = $filter AND e.excess_helium IS NOT NULL GROUP BY flux_from ORDER BY flux_from
