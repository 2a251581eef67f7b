-- How many exposures of every filter fall in every class, and what fraction of the filter's.
SELECT filter, tvb_class, count(*) AS n, count(*) / sum(count(*)) OVER (PARTITION BY filter) AS fraction
FROM exposures GROUP BY filter, tvb_class
ORDER BY filter, list_position(['none', 'mild', 'moderate', 'severe'], tvb_class) NULLS LAST
