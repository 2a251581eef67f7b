-- Every repair, before and after: level, noise, unstable pixels, peaks of the histogram, gradient, flux of stars.
SELECT product_id, dataset, rootname, kind, method, engine, before, sky_before, sky_after, noise_before, noise_after,
    noise_expected, frac_unstable_before, frac_unstable_after, n_peaks_before, n_peaks_after, gradient_before,
    gradient_after, flux_ratio, flux_ratio_err, depth_gain_mag, exptime_factor, chi2_sky, chi2_stars, accepted, accept_reason
FROM reprocessed ORDER BY dataset, kind DESC, product_id
