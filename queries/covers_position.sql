-- The exposures whose frame covers a position (footprints are good to 2 arcsec).
-- :ra float | right ascension [deg, ICRS], e.g. 150.1
-- :dec float | declination [deg, ICRS], e.g. 2.3
WITH near AS MATERIALIZED (
    SELECT * FROM exposures WHERE dec BETWEEN $dec - 0.06 AND $dec + 0.06 AND separation(ra, dec, $ra, $dec) < 0.06
)
SELECT rootname, visit, proposal_id, filter, exptime, expstart, tvb_class, recommend, sky_mean,
    3600 * separation(ra, dec, $ra, $dec) AS offset_arcsec
FROM near WHERE region_contains(s_region, $ra, $dec) ORDER BY expstart, rootname
