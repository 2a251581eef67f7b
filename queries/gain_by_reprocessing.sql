-- What reprocessing the flagged exposures would gain: expected sky noise now, and after the method recommended.
-- A gain of 0.75 mag is worth a second, third and fourth exposure of the same length. mask_reads is for the gradient and
-- the level: it costs depth, and its gain may be negative.
-- :id str = all | proposal number, visit, association or rootname; all for the whole catalog
-- :limit int > 0 = 100 | number of exposures
WITH expected AS (
    SELECT rootname, visit, proposal_id, filter, recommend, noise_pipeline,
        CASE recommend WHEN 'omit' THEN noise_omit WHEN 'flatten' THEN noise_flatten ELSE noise_mask_reads END
            AS noise_repaired
    FROM flagged
    WHERE lower($id) IN ('all', rootname, visit, asn_id, dataset, CAST(proposal_id AS VARCHAR))
)
SELECT *, 2.5 * log10(noise_pipeline / noise_repaired) AS depth_gain_mag
FROM expected ORDER BY depth_gain_mag DESC NULLS LAST, rootname LIMIT $limit
