-- What failed and has not succeeded since, the last attempt of each.
SELECT f.key, f.stage, f.error, f.message, f.attempt, f.retryable, f.failed_at
FROM failures f LEFT JOIN exposures e ON e.rootname = f.key
WHERE coalesce(f.failed_at > e.measured_at, true)
QUALIFY row_number() OVER (PARTITION BY f.key, f.stage ORDER BY f.attempt DESC) = 1
ORDER BY f.key, f.stage
