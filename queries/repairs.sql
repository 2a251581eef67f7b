-- Before and after of every repair.
SELECT product_id, dataset, kind, method, engine, sky_before, sky_after, noise_before, noise_after, noise_expected,
    depth_gain_mag, accepted, accept_reason
FROM reprocessed ORDER BY product_id
