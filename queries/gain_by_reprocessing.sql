-- What reprocessing the flagged exposures would gain: expected sky noise now, and after the method recommended.
-- :limit int = 100 | number of exposures
WITH expected AS (
    SELECT rootname, visit, filter, recommend, noise_pipeline,
        CASE recommend WHEN 'omit' THEN noise_omit WHEN 'flatten' THEN noise_flatten ELSE noise_mask_reads END
            AS noise_repaired
    FROM flagged
)
SELECT *, 2.5 * log10(noise_pipeline / noise_repaired) AS depth_gain_mag
FROM expected ORDER BY depth_gain_mag DESC NULLS LAST, rootname LIMIT $limit
