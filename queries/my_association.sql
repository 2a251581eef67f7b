-- The exposures of one association, with the verdict on each.
-- :asn_id str | association, e.g. ibohbf040
SELECT asn_id, rootname, target_name, filter, samp_seq, nsamp, exptime, postarg1, postarg2, expstart,
    sky_mean, factor2, tvb_class, recommend
FROM exposures WHERE asn_id = lower($asn_id) ORDER BY expstart, rootname
