-- The sky of every used read against the altitude of the Sun above the Earth's limb.
-- :limit int = 20000 | number of reads
SELECT e.rootname, r.read, r.sun_alt, r.rate, e.tvb_class
FROM reads r JOIN exposures e USING (rootname)
WHERE r.used AND r.sun_alt IS NOT NULL ORDER BY e.rootname, r.read LIMIT $limit
