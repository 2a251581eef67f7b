-- Failures that have not been followed by a success: the last attempt of each.
WITH successes AS (
    SELECT rootname AS key, max(measured_at) AS moment FROM exposures GROUP BY rootname
    UNION ALL
    SELECT made.key, max(r.started_at) FROM
        (SELECT unnest([dataset, rootname]) AS key, run_id FROM reprocessed) made JOIN runs r USING (run_id)
    GROUP BY made.key
),
latest AS (SELECT key, max(moment) AS moment FROM successes GROUP BY key)
SELECT f.key, f.stage, f.error, f.message, f.attempt, f.retryable, f.failed_at
FROM failures f LEFT JOIN latest USING (key)
WHERE coalesce(f.failed_at > latest.moment, true)
QUALIFY row_number() OVER (PARTITION BY f.key, f.stage ORDER BY f.attempt DESC) = 1
ORDER BY f.key, f.stage
