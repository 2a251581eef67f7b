-- Sky of the used reads with their geometry: the Sun's altitude above the Earth's limb, limb angle, latitude.
-- A large catalog is sampled: all reads of randomly chosen exposures, the same ones every time.
-- :limit int > 0 = 1500 | number of exposures
-- :filter str = all | filter, or all
-- :per_filter int > 0 = 1000000 | most exposures of a filter, drawn at random
WITH drawn AS (
    -- Numbering the exposures of each filter takes most of the time, and is left out where it cannot matter.
    SELECT rootname, filter, sky_min, tvb_class FROM exposures
    WHERE $filter IN (filter, 'all') AND $per_filter >= $limit
    UNION ALL
    SELECT rootname, filter, sky_min, tvb_class FROM exposures
    WHERE $filter IN (filter, 'all') AND $per_filter < $limit
    QUALIFY row_number() OVER (PARTITION BY filter ORDER BY hash(rootname)) <= $per_filter
),
kept AS (SELECT * FROM drawn ORDER BY hash(rootname) LIMIT $limit)
SELECT e.rootname, r.read, r.sun_alt, r.limb_angle, r.latitude, r.in_shadow, r.rate, r.rate - e.sky_min AS excess,
    e.tvb_class, e.filter
FROM reads r JOIN kept e USING (rootname) WHERE r.used AND r.sun_alt IS NOT NULL ORDER BY e.rootname, r.read
