"""Weights of the regression for the cause, fitted to simulated exposures of known cause.

Made by study/causes.py --fit from 7704 exposures (seed 1), all causes equally likely;
docs/study-causes.md describes how these were drawn and how often the causes are right.
"""

#: Weights of each feature of `cause.vector`, in its order, for the causes of `cause.ALONE_AND_BOTH`:
#: helium, scattered light, both, trail, persistence, unknown.
WEIGHTS_BY_FEATURE = {
    "one": (-0.4472, -0.0094, 0.3038, 0.1700, 0.0891, -0.1062),
    "helium_filter": (-0.2451, -0.1867, 0.3669, 0.2850, 0.3693, -0.5893),
    "sidedness": (3.2690, 1.7770, -5.5716, -0.2324, -0.0765, 0.8345),
    "sidedness_squared": (-2.2871, 1.1709, 3.1067, -0.1369, -0.7902, -1.0634),
    "sided": (-2.1975, 2.6362, 2.9581, -0.4005, -1.6977, -1.2986),
    "unexplained": (2.3218, -2.8058, -1.5833, -0.6967, 0.6541, 2.1100),
    "sided_unexplained": (-0.1655, -0.3610, 0.6591, -0.0152, -0.0470, -0.0704),
    "sunlit": (0.8805, 0.6143, 0.4222, -0.1992, -0.6358, -1.0819),
    "sunlit_in_helium_filter": (0.9646, 0.3199, 0.4756, -0.3943, -0.4819, -0.8839),
    "bright_limb": (-0.2348, 0.7376, 0.3651, -0.4038, -0.2262, -0.2379),
    "sided_bright_limb": (-0.5494, 1.1939, 0.2438, -0.1232, -0.5212, -0.2438),
    "with_sun": (-0.8209, -0.4068, 0.7354, 0.0480, 0.0748, 0.3695),
    "off_sun": (-0.8295, -0.7889, 0.2274, 0.4311, 0.6400, 0.3199),
    "off_sun_in_helium_filter": (-0.7469, -0.6885, 0.2378, 0.5856, 0.3145, 0.2975),
    "falling": (-0.3443, -0.2348, 0.1508, -1.7392, 1.9845, 0.1831),
    "falling_sunlit": (0.2304, 0.1019, -0.1396, -0.1890, -0.2272, 0.2235),
    "falling_early": (1.1439, 0.0136, -0.2578, -0.5918, 0.7677, -1.0755),
    "falling_with_sun": (-0.0946, -0.3688, -0.3175, 0.1668, 0.6020, 0.0120),
    "spike": (-0.8373, -0.1727, 0.1675, 0.7830, -0.0594, 0.1189),
    "apart": (-0.4434, -3.5130, 4.5169, -0.0944, -0.2174, -0.2486),
    "off_decay": (1.8983, 1.1645, 1.4026, -1.1071, -5.6099, 2.2514),
    "falling_off_decay": (0.3222, 0.0300, 0.2311, -0.1033, -4.5195, 4.0396),
    "quiet_sun": (-0.6189, -0.3502, -0.4532, -0.5181, 1.0221, 0.9184),
    "falling_quiet_sun": (-1.2453, -0.0469, 0.0720, -0.2528, 0.8520, 0.6210),
    "streak": (-1.3920, -0.1829, -0.8433, 5.8884, -1.1417, -2.3286),
    "streak_affected": (0.2077, 0.0213, -0.0972, -1.1655, 0.4165, 0.6172),
    "at_edge": (0.5134, 0.1715, 0.0789, -0.5077, 0.1603, -0.4164),
}
FEATURES = tuple(WEIGHTS_BY_FEATURE)
#: A row per cause, a column per feature.
WEIGHTS = tuple(zip(*WEIGHTS_BY_FEATURE.values(), strict=True))
