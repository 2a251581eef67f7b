-- Number of exposures of each filter and damage class, and their fraction of the filter's exposures.
SELECT filter, tvb_class, count(*) AS n, count(*) / sum(count(*)) OVER (PARTITION BY filter) AS fraction
FROM exposures GROUP BY filter, tvb_class
ORDER BY filter, list_position(['none', 'mild', 'moderate', 'severe'], tvb_class) NULLS LAST
