-- Provenance of the row of one exposure: file, versions, run.
-- :rootname str | rootname, e.g. ibohbfb9q
SELECT e.rootname, e.source, e.bytes_read, e.cal_ver, e.archive_generation_date, e.rows_used, e.measure_version,
    e.score_version, e.measured_at, e.run_id, r.command, r.arguments, r.versions
FROM exposures e LEFT JOIN runs r USING (run_id) WHERE e.rootname = lower($rootname)
