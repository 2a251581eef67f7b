-- The visits with the largest jump statistic.
-- A severe visit may have nothing flagged: n_inspect exposures are damaged but no method can repair them safely; the
-- others would gain too little (less than 0.22 mag).
-- :limit int > 0 = 20 | number of visits
SELECT visit, filter, proposal_id, target_name, n_exposures, n_flagged, n_inspect, worst_class, tvb_score, excess_visit
FROM visits WHERE tvb_score IS NOT NULL ORDER BY tvb_score DESC, visit LIMIT $limit
