-- Sky level of every exposure over time, beside the zodiacal light predicted for its direction and date.
-- rms_reads is the scatter of its used interval rates about their mean.
-- :limit int > 0 = 20000 | number of exposures
SELECT e.rootname, e.filter, e.expstart, e.sky_mean, e.zodi_model, e.sky_mean / e.zodi_model AS measured_over_predicted,
    r.rms_reads, e.tvb_class
FROM exposures e
JOIN (SELECT rootname, stddev_pop(rate) AS rms_reads FROM reads WHERE used GROUP BY rootname) r USING (rootname)
WHERE e.sky_mean IS NOT NULL ORDER BY e.expstart, e.rootname LIMIT $limit
