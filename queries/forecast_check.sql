-- How often the damage that the forecast gives a probability came true, once exposures are measured.
-- Damaged: of class moderate or severe, and the cause not scattered light, a trail or persistence.
SELECT f.basis, floor(least(f.prob_damaged, 0.999) * 5) / 5 AS stated_from, count(*) AS n, avg(f.prob_damaged) AS mean_stated,
    avg(CAST(e.tvb_class IN ('moderate', 'severe')
        AND coalesce(e.tvb_kind, '') NOT IN ('scattered', 'trail', 'persistence') AS INTEGER)) AS came_true,
    avg(CAST(e.excess_helium <= f.excess_helium_50 AS INTEGER)) AS below_50,
    avg(CAST(e.excess_helium <= f.excess_helium_75 AS INTEGER)) AS below_75,
    avg(CAST(e.excess_helium <= f.excess_helium_95 AS INTEGER)) AS below_95
FROM exposures e JOIN forecast f USING (dataset)
WHERE e.tvb_class IS NOT NULL AND f.prob_damaged IS NOT NULL GROUP BY ALL ORDER BY ALL
