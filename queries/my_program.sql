-- The visits of one proposal, worst first.
-- :proposal_id int | proposal number, e.g. 12696
SELECT visit, filter, target_name, n_exposures, n_flagged, n_inspect, worst_class, sky_min, excess_visit, tvb_score
FROM visits WHERE proposal_id = $proposal_id AND visit IN (SELECT visit FROM exposures WHERE proposal_id = $proposal_id)
ORDER BY n_flagged DESC, tvb_score DESC NULLS LAST, visit
