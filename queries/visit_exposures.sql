-- All columns of the exposures of one visit, in order of time.
-- :visit str | first six characters of a rootname, e.g. ibohbf
SELECT * FROM exposures WHERE visit = lower($visit) ORDER BY expstart, rootname
