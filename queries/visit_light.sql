-- Zodiacal light, helium and scattered light of each exposure of a visit, separated by a joint fit.
-- Rates are means over the used reads, weighted by their time; where anchored is false, zodi is an upper limit.
-- :visit str | first six characters of a rootname, e.g. ibohbf
SELECT f.rootname, f.filter, any_value(f.zodi) AS zodi, any_value(f.zodi_err) AS zodi_err,
    sum(f.helium * (r.t_end - r.t_start)) / sum(r.t_end - r.t_start) AS mean_helium, max(f.helium) AS max_helium,
    max(f.scattered) AS max_scattered, any_value(f.anchored) AS anchored
FROM visit_fits f JOIN reads r USING (rootname, read)
WHERE f.visit = lower($visit) GROUP BY f.rootname, f.filter ORDER BY f.rootname
