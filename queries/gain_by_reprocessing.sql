-- Expected gain from repairing the flagged exposures: sky noise now, and after the recommended method.
-- A gain of 0.75 mag is worth a second, third and fourth exposure of the same length. mask_reads corrects the gradient and
-- the level: it costs depth, so its gain may be negative.
-- :id str = all | proposal number, visit, association or rootname; all for the whole catalog
-- :limit int > 0 = 100 | number of exposures
WITH noises AS (
    SELECT rootname, method, noise
    FROM (SELECT rootname, COLUMNS('^noise_') FROM flagged) UNPIVOT (noise FOR method IN (COLUMNS('^noise_')))
), expected AS (
    SELECT f.rootname, visit, proposal_id, filter, recommend, noise_pipeline, noise AS noise_repaired
    FROM flagged f LEFT JOIN noises n ON n.rootname = f.rootname AND method = 'noise_' || recommend
    WHERE lower($id) IN ('all', f.rootname, visit, asn_id, dataset, CAST(proposal_id AS VARCHAR))
)
SELECT *, 2.5 * log10(noise_pipeline / noise_repaired) AS depth_gain_mag
FROM expected ORDER BY depth_gain_mag DESC NULLS LAST, rootname LIMIT $limit
