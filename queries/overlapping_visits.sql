-- The visits that overlap a visit on the sky: how many exposures of each, in which filters, and how many are flagged.
-- :visit str | first six characters of a rootname, e.g. ibohbf
WITH own AS MATERIALIZED (
    SELECT DISTINCT ra, dec, s_region FROM exposures WHERE visit = lower($visit) AND s_region IS NOT NULL
),
near AS MATERIALIZED (
    SELECT e.*, o.s_region AS own_region
    FROM exposures e JOIN own o ON e.dec BETWEEN o.dec - 0.12 AND o.dec + 0.12
    WHERE e.visit <> lower($visit) AND separation(e.ra, e.dec, o.ra, o.dec) < 0.12
),
overlapping AS (SELECT DISTINCT rootname FROM near WHERE regions_overlap(s_region, own_region))
SELECT visit, any_value(proposal_id) AS proposal_id, any_value(target_name) AS target_name,
    list(DISTINCT filter ORDER BY filter) AS filters, count(*) AS n_exposures, sum(exptime) AS exptime,
    min(expstart) AS expstart, count(*) FILTER (flagged) AS n_flagged, max(tvb_score) AS tvb_score
FROM exposures JOIN overlapping USING (rootname) GROUP BY visit ORDER BY expstart, visit
