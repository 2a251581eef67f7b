-- Fraction of a filter's exposures with a helium excess of at most 0.1, 0.5 and 1.5 electron/s, and the published fraction.
-- Published for the archive's F105W exposures until 2014 (G. Brammer, in the ETC's helium file).
-- :filter str = F105W | filter
-- :from int = 2009 | first year
-- :to int = 2100 | last year
SELECT mark AS excess_helium, count(*) AS n, count(*) FILTER (e.excess_helium <= mark) / count(*) AS fraction, published
FROM exposures e, (VALUES (0.1::DOUBLE, 0.50::DOUBLE), (0.5, 0.75), (1.5, 0.95)) AS marks(mark, published)
WHERE filter = $filter AND e.excess_helium IS NOT NULL
    AND year(make_date(1858, 11, 17) + CAST(floor(expstart) AS INTEGER)) BETWEEN $from AND $to
GROUP BY mark, published ORDER BY mark
