-- The visits with the largest jump statistic.
-- :limit int > 0 = 20 | number of visits
SELECT visit, filter, proposal_id, target_name, n_exposures, n_flagged, worst_class, tvb_score, excess_visit
FROM visits WHERE tvb_score IS NOT NULL ORDER BY tvb_score DESC, visit LIMIT $limit
