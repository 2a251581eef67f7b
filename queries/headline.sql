-- How many exposures and visits are measured, flagged, to be inspected, hit severely, and how many repairs were accepted.
SELECT count(*) AS exposures, count(DISTINCT visit) AS visits, count(*) FILTER (flagged) AS flagged,
    count(*) FILTER (recommend = 'inspect') AS to_inspect, count(*) FILTER (tvb_class = 'severe') AS severe,
    (SELECT count(*) FILTER (accepted) FROM reprocessed) AS repairs_accepted
FROM exposures
