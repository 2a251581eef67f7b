"""Columns of every table, one line each: ``name | type | unit | description | UCD | since``.

Types are ``str int float bool str[] int[]``. Units are in the VOUnits spelling that astropy reads; UCDs follow the IVOA
UCD1+ list. A missing value is null, never -1, NaN or "". `since` is the version of the schema that added the column,
empty for the first; with a new column, raise `schema.SCHEMA_VERSION` to it.
"""

from __future__ import annotations

from wfc3tvb.schema.methods import METHODS, PERFORM, alternatives

#: One column for each method of repair.
_NOISES = "\n".join(
    f"{method.noise_column} | float | electron/s | expected sky noise of a pixel after {method.name} "
    f"| stat.stdev;meta.modelled | {method.since}"
    for method in METHODS.values()
)

#: Datasets that the archive lists.
DATASETS = """
dataset | str | | association or single exposure that the archive lists, lower case | meta.id;meta.main
asn_id | str | | association, null for a single exposure | meta.id.assoc
instrument_config | str | | instrument and channel, as MAST writes it | meta.id;instr
filters | str | | filters, as MAST writes them | meta.id;instr.filter
proposal_id | int | | proposal number | meta.id
pi | str | | last name of the principal investigator | meta.id.PI
target_name | str | | target name given by the proposer | meta.id;src
start_time | float | d | start of the first exposure [MJD, UTC] | time.start;obs
stop_time | float | d | end of the last exposure [MJD, UTC] | time.end;obs
sun_alt | float | deg | SUN_ALT of the archive: altitude of the Sun above the Earth's limb at PSTRTIME, tens of seconds before the first exposure (it moves by 5 deg in 100 s) | pos.az.alt
generation_date | float | d | when the archive made these files [MJD, UTC] | time.processing
members | str[] | | rootnames of the exposures | meta.id.assoc
"""

#: Exposures measured.
EXPOSURES = f"""
rootname | str | | rootname of the exposure, lower case | meta.id;meta.main
dataset | str | | dataset of the archive that it belongs to | meta.id
asn_id | str | | association, null for a single exposure | meta.id.assoc
visit | str | | first six characters of the rootname | meta.id
proposal_id | int | | proposal number | meta.id
target_name | str | | target name given by the proposer | meta.id;src
filter | str | | filter; O I airglow at 1128.7 nm reaches F105W, F110W and F125W, so F098M, F140W and F160W are the clean controls | meta.id;instr.filter
samp_seq | str | | sample sequence, e.g. SPARS100 | instr.setup
nsamp | int | | number of reads in the file, including the zeroth | meta.number
exptime | float | s | exposure time | time.duration;obs.exposure
expstart | float | d | start of the exposure [MJD, UTC] | time.start;obs.exposure
expend | float | d | end of the exposure [MJD, UTC] | time.end;obs.exposure
aperture | str | | aperture name | instr.setup
subarray | bool | | whether the frame is a subarray | instr.setup
ra | float | deg | right ascension of the aperture's reference point, or of the target where the header has no valid one (ICRS) | pos.eq.ra;meta.main
dec | float | deg | declination of the aperture's reference point, or of the target where the header has no valid one (ICRS) | pos.eq.dec;meta.main
pa_v3 | float | deg | position angle of the V3 axis | pos.posAng
s_region | str | | corners of the light-sensitive frame (ICRS, counter-clockwise), good to 2 arcsec | pos.outline;obs.field | 1.4
healpix | int | | HEALPix pixel of ra and dec (nested, order 29); healpix >> 2 * (29 - n) is that of order n | pos.healpix | 1.4
postarg1 | float | arcsec | POSTARG in axis 1 direction | instr.offset
postarg2 | float | arcsec | POSTARG in axis 2 direction | instr.offset
cal_ver | str | | version of calwf3 that made the archive's file | meta.version
archive_generation_date | float | d | when the archive made the measured file [MJD, UTC] | time.processing
sky_mean | float | electron/s | mean sky rate over the exposure (interval rates weighted by their duration) | instr.skyLevel
sky_err | float | electron/s | error of the level that all reads share, from light of faint or extended sources; not part of rate_err | stat.error;instr.skyLevel | 1.2
sky_min | float | electron/s | lowest interval rate among used reads | instr.skyLevel;stat.min
sky_max | float | electron/s | highest interval rate among used reads | instr.skyLevel;stat.max
sky_last | float | electron/s | interval rate of the last used read | instr.skyLevel
ratio_cumulative | float | | largest over smallest cumulative rate, reads after 24 s (or half the exposure) | stat.value;arith.ratio
ratio_interval | float | | largest over smallest interval rate among used reads | stat.value;arith.ratio
factor2 | bool | | published rule: the cumulative rate changes by more than a factor of 2 | meta.code.qual
excess_variable | float | electron/s | mean excess of the interval rates over their minimum (the mean of those within two errors of it) | phot.count;arith.diff
excess_zodi | float | electron/s | mean excess over the zodiacal model | phot.count;arith.diff
excess_helium | float | electron/s | time-weighted excess over the zodiacal model of the reads out of Earth's shadow | phot.count;arith.diff
zodi_model | float | electron/s | modelled zodiacal light, thermal and dark level | instr.skyLevel;meta.modelled
he_kr | float | kR | brightness of the helium line that corresponds to excess_helium (F105W only); O I airglow at 1128.7 nm lies in the same band and counts as helium | phot.radiance
elevated | bool | | excess_zodi above 0.5 electron/s | meta.code.qual
lr_diff_max | float | electron/s | largest left-minus-right difference among used reads | phot.count;arith.diff
lr_ratio_max | float | | largest left-over-right ratio among used reads | stat.value;arith.ratio
tvb_score | float | | jump statistic D of the median ramp; calwf3 rejects a read above crrejtab_sigma | stat.value
tvb_score_err | float | | error of tvb_score | stat.error
jump_read | int | | read at which the jump statistic is largest | meta.number
pred_frac_broken | float | | predicted fraction of blank-sky pixels with a false cosmic-ray hit | stat.fit;meta.modelled
pred_noise_inflation | float | | predicted noise of the ramp fit over that of last-minus-first | stat.value;arith.ratio;meta.modelled
pred_level_bias | float | electron/s | predicted level of the ramp fit minus the true mean | phot.count;arith.diff;meta.modelled
obs_frac_broken | float | | observed fraction broken in the archive's IMA (null unless its CRCORR is COMPLETE) | stat.value;arith.ratio
obs_frac_unstable | float | | observed fraction with bit 32 in the archive's IMA (null unless its CRCORR is COMPLETE) | stat.value;arith.ratio
affected_reads | int[] | | reads with an interval rate above the minimum by 3 errors and 0.1 electron/s, or crossed by a streak | meta.number
affected_position | str | | position of the affected reads: start, middle, end, both, all | meta.code
sun_alt_min | float | deg | lowest altitude of the Sun above the Earth's limb during the reads | pos.az.alt;stat.min
sun_alt_max | float | deg | highest altitude of the Sun above the Earth's limb during the reads | pos.az.alt;stat.max
limb_angle_min | float | deg | smallest angle between target and Earth's limb | pos.angDistance;stat.min
frac_in_shadow | float | | fraction of the exposure spent in Earth's shadow | time.interval;arith.ratio
geometry_source | str | | source of the geometry: spt (orbit elements), jit (observation log, without elements) | meta.ref
tvb_class | str | | none, mild, moderate, severe: predicted damage | meta.code.class
prob_none | float | | probability of class none | stat.probability
prob_mild | float | | probability of class mild | stat.probability
prob_moderate | float | | probability of class moderate | stat.probability
prob_severe | float | | probability of class severe | stat.probability
tvb_kind | str | | helium, scattered, trail, persistence, mixed, unknown; null where class is none and no trail is seen | meta.code.class
prob_helium | float | | probability that the cause is helium airglow | stat.probability
prob_scattered | float | | probability that the cause is scattered Earth light | stat.probability
prob_trail | float | | probability that the cause is a satellite trail | stat.probability
prob_persistence | float | | probability that the cause is persistence | stat.probability
prob_unknown | float | | probability that the cause is none of these | stat.probability
recommend | str | | none, {", ".join(METHODS)}, inspect | meta.code
flagged | bool | | recommend is {alternatives(METHODS)} | meta.code.qual
noise_pipeline | float | electron/s | expected sky noise of a pixel in the archive's FLT | stat.stdev;meta.modelled
{_NOISES}
gain_mag | float | mag | depth gained by the recommended method, or by the best one where none is recommended: 2.5 log10(noise_pipeline / its noise) | phot.mag;arith.diff;meta.modelled | 1.2
quality_flags | str[] | | reservations about the measurement; see the list of flags | meta.code.qual
n_reads_used | int | | number of used reads | meta.number
rows_used | int | | number of detector rows measured | meta.number
crrejtab_sigma | float | | rejection threshold of the exposure's CRREJTAB | stat.value
bytes_read | int | byte | bytes read for this exposure | meta.number;meta.file
source | str | | source of the file: s3, mast, local, simulated | meta.ref
measure_version | str | | version of the measuring code | meta.version
score_version | str | | version of the scoring code | meta.version
measured_at | float | d | when it was measured [MJD, UTC] | time.processing
run_id | str | | run that wrote the row | meta.id
"""

#: Reads of the exposures measured.
READS = """
rootname | str | | rootname of the exposure, lower case | meta.id;meta.main
read | int | | read number in time order, 1 to N; the zeroth is never measured | meta.number
t_start | float | s | start of the interval since the zeroth read | time.start
t_end | float | s | end of the interval since the zeroth read | time.end
used | bool | | not the first read, interval at least 5 s, rate_err at most 0.1 electron/s | meta.code.qual
rate | float | electron/s | interval rate of the sky | instr.skyLevel
rate_err | float | electron/s | error of rate from pixels and reference pixels; scores add the systematic (settings of the run) | stat.error;phot.count
cumulative_rate | float | electron/s | sky rate from the zeroth read to t_end | instr.skyLevel
cumulative_median | float | electron/s | wfc3tools.pstat midpt of the whole frame; null where not requested | phot.count;stat.median
n_pixels | int | | number of pixels in rate | meta.number
rate_ll | float | electron/s | interval rate of the lower left quadrant | instr.skyLevel
rate_lr | float | electron/s | interval rate of the lower right quadrant | instr.skyLevel
rate_ul | float | electron/s | interval rate of the upper left quadrant | instr.skyLevel
rate_ur | float | electron/s | interval rate of the upper right quadrant | instr.skyLevel
lr_diff | float | electron/s | left (columns 40-240) minus right (760-960) interval rate, scaled on subarrays | phot.count;arith.diff
lr_ratio | float | | left (50-250) over right (700-900) interval rate, rows 100-900, scaled on subarrays | stat.value;arith.ratio
frac_new_cr | float | | fraction of pixels flagged 8192 for the first time at this read | stat.value;arith.ratio
mjd | float | d | middle of the interval [MJD, UTC] | time.epoch
sun_alt | float | deg | altitude of the Sun above the Earth's limb at mjd, computed; SUN_ALT of headers is that at PSTRTIME | pos.az.alt
limb_angle | float | deg | angle between target and Earth's limb | pos.angDistance
bright_limb | bool | | whether the nearest limb is sunlit | meta.code
los_zenith | float | deg | angle between line of sight and local zenith | pos.az.zd
latitude | float | deg | geographic latitude below the telescope | pos.earth.lat
longitude | float | deg | geographic longitude below the telescope, east positive | pos.earth.lon
sun_hour_angle | float | deg | hour angle of the Sun below the telescope, -180 to 180 | pos.posAng
in_shadow | bool | | telescope in Earth's shadow (sun_alt below 0) | meta.code
"""

#: Components of the sky in each read, from a joint fit of its visit and filter.
VISIT_FITS = """
rootname | str | | rootname of the exposure, lower case | meta.id;meta.main
read | int | | read number in time order | meta.number
visit | str | | first six characters of the rootname | meta.id
filter | str | | filter | meta.id;instr.filter
zodi | float | electron/s | zodiacal light (with thermal emission) of visit and filter, one number for all its reads | instr.skyLevel
zodi_err | float | electron/s | error of zodi | stat.error;phot.count
helium | float | electron/s | helium in this read | phot.count
helium_err | float | electron/s | error of helium | stat.error;phot.count
scattered | float | electron/s | scattered light in this read, as left minus right | phot.count
scattered_err | float | electron/s | error of scattered | stat.error;phot.count
cov_zodi_helium | float | electron2/s2 | covariance of zodi and helium | stat.covariance
cov_zodi_scattered | float | electron2/s2 | covariance of zodi and scattered | stat.covariance
cov_helium_scattered | float | electron2/s2 | covariance of helium and scattered of this read | stat.covariance
anchored | bool | | whether a read in Earth's shadow determines zodi; otherwise zodi is an upper limit and helium a lower limit | meta.code.qual
chi2 | float | | chi squared of the fit of visit and filter | stat.fit.chi2
measured_at | float | d | when the exposure was measured [MJD, UTC] | time.processing
"""

#: Forecasts of helium in the datasets that an archive lists, from geometry alone.
FORECAST = """
dataset | str | | dataset of the archive; the rootname of a single exposure | meta.id;meta.main | 1.3
visit | str | | first six characters of its name | meta.id | 1.3
filters | str | | filters, as MAST writes them | meta.id;instr.filter | 1.3
aperture | str | | aperture name | instr.setup | 1.3
ra | float | deg | right ascension of the target (ICRS) | pos.eq.ra;meta.main | 1.3
dec | float | deg | declination of the target (ICRS) | pos.eq.dec;meta.main | 1.3
start_time | float | d | start of the first exposure [MJD, UTC] | time.start;obs | 1.3
stop_time | float | d | end of the last exposure [MJD, UTC] | time.end;obs | 1.3
exptime | float | s | total exposure time | time.duration;obs.exposure | 1.3
n_exposures | int | | smallest number of exposures that exptime implies; null where no sequence agrees with it | meta.number | 1.3
samp_seqs | str[] | | sample sequences that agree with exptime; several where it does not tell them apart | instr.setup | 1.3
sun_alt_start | float | deg | altitude of the Sun above the Earth's limb at start_time, from two-line elements (error 0.1 deg); where basis is sun_alt, SUN_ALT of the archive | pos.az.alt | 1.3
sun_alt_min | float | deg | lowest altitude of the Sun over the probable exposures | pos.az.alt;stat.min | 1.3
sun_alt_max | float | deg | highest altitude of the Sun over the probable exposures | pos.az.alt;stat.max | 1.3
frac_in_shadow | float | | fraction of the probable exposures spent in Earth's shadow | time.interval;arith.ratio | 1.3
limb_angle_min | float | deg | smallest angle between target and Earth's limb over the probable exposures | pos.angDistance;stat.min | 1.3
bright_limb_min | float | deg | smallest angle between target and the limb while the nearest limb is sunlit; null where it never is | pos.angDistance;stat.min | 1.3
elements_age | float | d | start_time minus the epoch of the two-line elements | time.interval | 1.3
zodi_model | float | electron/s | modelled zodiacal light, thermal and dark level | instr.skyLevel;meta.modelled | 1.3
relative_helium | float | | mean brightness of helium over that straight up by day, from geometry alone | stat.value;arith.ratio;meta.modelled | 1.3
he_kr_50 | float | kR | forecast of the mean brightness of the helium line in an exposure (any filter): half are fainter; O I at 1128.7 nm counts as helium, as in he_kr | phot.radiance;stat.median;meta.modelled | 1.3
he_kr_75 | float | kR | 75 % are fainter | phot.radiance;stat.value;meta.modelled | 1.3
he_kr_95 | float | kR | 95 % are fainter | phot.radiance;stat.value;meta.modelled | 1.3
excess_helium_50 | float | electron/s | forecast of excess_helium of an exposure: half have less; null for grisms | phot.count;stat.median;meta.modelled | 1.3
excess_helium_75 | float | electron/s | 75 % have less | phot.count;stat.value;meta.modelled | 1.3
excess_helium_95 | float | electron/s | 95 % have less | phot.count;stat.value;meta.modelled | 1.3
prob_elevated | float | | probability that helium alone adds more than 0.5 electron/s to an exposure; null for grisms | stat.probability | 1.3
prob_damaged | float | | probability that helium makes the class of an exposure moderate or severe; high ones are too high for exposures in associations, whose times are not known; null for grisms | stat.probability | 1.3
basis | str | | what the forecast rests on: orbit (two-line elements), sun_alt (filter, length and SUN_ALT of the archive), filter (filter and length) | meta.ref | 1.3
forecast_version | str | | version of the forecast | meta.version | 1.3
"""

#: Failed attempts.
FAILURES = """
key | str | | rootname, dataset or file name that failed | meta.id;meta.main
stage | str | | crawl, fetch, read, measure, references, calibrate, drizzle, compare | meta.code
error | str | | class of the error | meta.code.error
message | str | | what went wrong and the remedy, one line | meta.note
attempt | int | | how many times this key failed at this stage | meta.number
retryable | bool | | whether running the command again may succeed | meta.code
failed_at | float | d | when it failed [MJD, UTC] | time.processing
run_id | str | | run that recorded it | meta.id
"""

#: Products of repairs.
REPROCESSED = f"""
product_id | str | | product, method and engine, unique | meta.id;meta.main
rootname | str | | rootname of the exposure; null for a drizzled product | meta.id
dataset | str | | dataset the product belongs to | meta.id
kind | str | | flt or drz | meta.code
method | str | | {", ".join(METHODS)}, {PERFORM.name} ({PERFORM.help}), mixed (a drizzled set) | meta.code
reason | str | | reason for this method | meta.note
engine | str | | native or calwf3 | meta.code
engine_version | str | | version of the engine | meta.version
crds_context | str | | CRDS context that chose the references | meta.ref
references | str | | reference files used, JSON object of keyword to name and sha1 | meta.ref
before | str | | product that the before columns describe: archive, or perform (recalibrated here) | meta.code
sky_before | float | electron/s | sky level before | instr.skyLevel
sky_after | float | electron/s | sky level after | instr.skyLevel
noise_before | float | electron/s | pixel-to-pixel sky noise before | stat.stdev
noise_after | float | electron/s | pixel-to-pixel sky noise after | stat.stdev
noise_expected | float | electron/s | sky noise expected from photons and reads for this method | stat.stdev;meta.modelled
frac_unstable_before | float | | fraction of pixels with bit 32 before | stat.value;arith.ratio
frac_unstable_after | float | | fraction of pixels with bit 32 after | stat.value;arith.ratio
n_peaks_before | int | | peaks of the sky histogram before | meta.number
n_peaks_after | int | | peaks of the sky histogram after | meta.number
gradient_before | float | electron/s | left minus right sky level before | phot.count;arith.diff
gradient_after | float | electron/s | left minus right sky level after | phot.count;arith.diff
flux_ratio | float | | median flux of the same stars, after over before; if stars that saturate lost flux, theirs over what is right | stat.value;arith.ratio
flux_ratio_err | float | | error of flux_ratio | stat.error
depth_gain_mag | float | mag | gain in depth: 2.5 log10 of the noise ratio | phot.mag;arith.diff
exptime_factor | float | | exposure time that the old image would need to be as deep as the new one, over its own: square of the noise ratio | time.duration;obs.exposure;arith.ratio | 1.2
frac_few_exposures | float | | fraction of the drizzled area that fewer than three exposures cover, where drizzling rejects cosmic rays poorly | stat.value;arith.ratio | 1.2
chi2_sky | float | | median chi^2 per degree of freedom of blank sky over that of Gaussian noise; only optimal | stat.fit.chi2 | 1.2
chi2_stars | float | | the same of pixels with stars | stat.fit.chi2 | 1.2
sky_left | float | electron | sky that the curve leaves between the two reads where it fits worst; only optimal | stat.fit.residual | 1.2
cal_ver_before | str | | CAL_VER of the product before | meta.version | 1.2
cal_ver_after | str | | CAL_VER of the new product | meta.version | 1.2
nlinfile_before | str | | linearity file (NLINFILE) of the product before | meta.ref | 1.2
nlinfile_after | str | | linearity file (NLINFILE) of the new product | meta.ref | 1.2
accepted | bool | | whether the repair is better than the product before it | meta.code.qual
accept_reason | str | | why it was accepted or not | meta.note
path | str | | path of the product | meta.ref.url
sha256 | str | | checksum of the product's file | meta.checksum
wall_s | float | s | wall time spent | time.duration
peak_rss_mb | float | Mbyte | peak memory of the processes | meta.number
run_id | str | | run that wrote the row | meta.id
"""

#: Commands run.
RUNS = """
run_id | str | | identifier of the run | meta.id;meta.main
command | str | | command | meta.note
arguments | str | | arguments, JSON | meta.note
versions | str | | versions of the package and of its dependencies, JSON | meta.version
n_done | int | | number of items done | meta.number
n_failed | int | | number of items failed | meta.number
started_at | float | d | when it began [MJD, UTC] | time.start
ended_at | float | d | when it ended [MJD, UTC]; null while running or when it was killed | time.end
"""
