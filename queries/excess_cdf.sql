-- The distribution of the helium excess: the fraction of a filter's exposures at most 0.1, 0.5 and 1.5 electron/s.
-- The archive's F105W exposures until 2014 have 0.50, 0.75 and 0.95 there.
-- :filter str = F105W | filter
SELECT mark AS excess_helium, count(*) AS n, count(*) FILTER (e.excess_helium <= mark) / count(*) AS fraction
FROM exposures e, (VALUES (0.1::DOUBLE), (0.5::DOUBLE), (1.5::DOUBLE)) AS marks(mark)
WHERE filter = $filter AND e.excess_helium IS NOT NULL GROUP BY mark ORDER BY mark
