-- Numbers of exposures and visits measured, exposures flagged, to be inspected and severely damaged, and repairs accepted.
SELECT count(*) AS exposures, count(DISTINCT visit) AS visits, count(*) FILTER (WHERE flagged) AS flagged,
    count(*) FILTER (WHERE recommend = 'inspect') AS to_inspect, count(*) FILTER (WHERE tvb_class = 'severe') AS severe,
    (SELECT count(*) FILTER (WHERE accepted) FROM reprocessed) AS repairs_accepted
FROM exposures
