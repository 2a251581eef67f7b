-- The curve of one exposure: its sky, read by read.
-- :rootname str | rootname, e.g. ibohbfb9q
SELECT read, t_end, used, rate, rate_err, cumulative_rate, cumulative_median, sun_alt, limb_angle, in_shadow
FROM reads WHERE rootname = lower($rootname) ORDER BY read
