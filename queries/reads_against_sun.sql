-- The sky of every used read against the geometry: the Sun's altitude above the Earth's limb, limb angle, latitude.
-- :limit int > 0 = 20000 | number of reads
SELECT e.rootname, r.read, r.sun_alt, r.limb_angle, r.latitude, r.in_shadow, r.rate, r.rate - e.sky_min AS excess,
    e.tvb_class
FROM reads r JOIN exposures e USING (rootname)
WHERE r.used AND r.sun_alt IS NOT NULL ORDER BY e.rootname, r.read LIMIT $limit
