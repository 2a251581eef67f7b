-- All columns of the reads of one visit: the curves.
-- :visit str | first six characters of a rootname, e.g. ibohbf
SELECT r.* FROM reads r JOIN exposures e USING (rootname) WHERE e.visit = lower($visit) ORDER BY r.rootname, r.read
