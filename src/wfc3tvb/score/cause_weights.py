"""Weights of the regression for the cause, fitted to simulated exposures of known cause.

Made by study/causes.py --fit from 5258 exposures (seed 1), all causes equally likely;
docs/study-causes.md describes how these were drawn and how often the causes are right.
"""

#: Weights of each feature of `cause.vector`, in its order, for the causes of `cause.ALONE_AND_BOTH`:
#: helium, scattered light, both, trail, persistence, unknown.
WEIGHTS_BY_FEATURE = {
    "one": (-0.8236, -0.1097, 0.0044, 0.0541, -0.3023, 1.1770),
    "helium_filter": (-0.4944, 0.1968, 0.1973, 0.0866, 0.0278, -0.0142),
    "sidedness": (1.5645, 3.8860, -5.2191, -0.1970, -0.4624, 0.4280),
    "sidedness_squared": (-1.8333, 0.3449, 2.9684, -0.1670, -0.5770, -0.7361),
    "sided": (-1.2065, -0.1873, 3.5676, -0.2852, -0.7807, -1.1079),
    "unexplained": (2.4506, -1.7521, -2.2814, -0.7297, 1.0902, 1.2224),
    "sided_unexplained": (-0.3710, 0.4584, 0.2329, -0.0244, -0.0886, -0.2074),
    "sunlit": (0.6847, 1.2288, 0.5637, -0.4673, -0.8461, -1.1638),
    "sunlit_in_helium_filter": (0.8347, -0.2449, 0.7474, -0.2636, -0.2691, -0.8045),
    "bright_limb": (-0.5403, 0.9859, 0.5377, -0.2686, -0.0547, -0.6600),
    "sided_bright_limb": (0.0567, -0.6008, 0.4558, -0.0083, 0.0466, 0.0500),
    "with_sun": (-0.7996, -0.1783, -0.0782, 0.1892, 0.1735, 0.6934),
    "off_sun": (-0.7972, -1.5697, -0.1824, 0.8126, 1.0140, 0.7227),
    "off_sun_in_helium_filter": (-0.6895, 0.1606, -0.1685, 0.4788, 0.3182, -0.0997),
    "falling": (-0.4517, 0.8716, 0.6835, -2.0705, 2.0884, -1.1212),
    "falling_sunlit": (0.0207, 0.3012, -0.2043, 0.3880, -0.4968, -0.0088),
    "falling_early": (1.4472, -1.7669, -0.2071, -0.9159, 0.3945, 1.0482),
    "falling_with_sun": (0.1052, -0.6499, -0.2697, 0.3435, 0.6682, -0.1974),
    "spike": (-0.2368, -0.8208, -0.0630, 0.8795, -0.0299, 0.2710),
    "apart": (-0.5937, -2.6601, 3.8286, -0.0641, -0.1604, -0.3504),
    "off_decay": (2.1599, 1.6382, 1.6259, -0.8140, -5.7980, 1.1880),
    "falling_off_decay": (-0.0092, 2.3144, 0.6533, -0.0726, -5.0154, 2.1295),
    "quiet_sun": (-0.6202, 0.0706, -0.6579, -0.5082, 0.6458, 1.0699),
    "falling_quiet_sun": (-0.9690, -0.2311, 0.1532, -0.4032, 0.9898, 0.4604),
    "streak": (-0.8643, -0.9405, -0.5572, 5.9648, -1.2756, -2.3271),
    "streak_affected": (0.3980, 0.2972, 0.0380, -1.7653, -0.0232, 1.0553),
    "at_edge": (0.1742, 1.4587, 0.3648, -0.7113, -0.2593, -1.0271),
    "with_limb": (0.3316, 0.3472, -0.4295, -0.1983, -0.1579, 0.1069),
    "with_limb_near": (-0.2251, 0.3386, 0.2113, -0.0945, -0.1829, -0.0475),
}
FEATURES = tuple(WEIGHTS_BY_FEATURE)
#: A row per cause, a column per feature.
WEIGHTS = tuple(zip(*WEIGHTS_BY_FEATURE.values(), strict=True))
