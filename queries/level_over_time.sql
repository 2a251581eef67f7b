-- Sky level of exposures over time, with the zodiacal light predicted for their direction and date.
-- rms_reads is the scatter of the used interval rates about their mean. A large catalog is sampled at random.
-- :limit int > 0 = 5000 | number of exposures
-- :filter str = all | filter, or all
-- :per_filter int > 0 = 1000000 | most exposures of a filter, drawn at random
WITH drawn AS (
    SELECT rootname, filter, expstart, sky_mean, zodi_model, tvb_class
    FROM exposures WHERE sky_mean IS NOT NULL AND $filter IN (filter, 'all')
    QUALIFY row_number() OVER (PARTITION BY filter ORDER BY hash(rootname)) <= $per_filter
    ORDER BY hash(rootname) LIMIT $limit
)
SELECT e.rootname, any_value(filter) AS filter, any_value(expstart) AS expstart, any_value(sky_mean) AS sky_mean,
    any_value(zodi_model) AS zodi_model, any_value(sky_mean / zodi_model) AS measured_over_predicted,
    stddev_pop(r.rate) AS rms_reads, any_value(tvb_class) AS tvb_class
FROM drawn e JOIN reads r USING (rootname) WHERE r.used GROUP BY e.rootname ORDER BY expstart, e.rootname
