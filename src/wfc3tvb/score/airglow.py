"""Model of the helium airglow that an exposure may see, from geometry alone: its course, and how bright it has been.

The course is fitted to the reads of the published visit IBOHBF040 (a column of helium up to 1000 km, at dawn later
than at dusk); it leaves a scatter of 15 % and 0.05 electron/s. How bright the same geometry has been on different
days follows from the distribution of the helium excess of the archive's F105W exposures until 2014 (G. Brammer: half
of them below 0.1 electron/s, 75 % below 0.5, 95 % below 1.5), given the geometry of these exposures
(study/forecast.py fits both).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]

#: Version of the forecast; changes whenever its values do.
FORECAST_VERSION = "1.0"
#: Radius of the Earth, altitude of the telescope and top of the helium [km].
_EARTH, _TELESCOPE, _TOP = 6371.0, 550.0, 1000.0
#: Altitude of the Sun at which half of the helium shines, and width of the rise [deg], at dawn and at dusk.
_DAWN, _DUSK = (32.0, 6.0), (11.3, 3.3)
#: Median of the brightness straight up by day in F105W [electron/s], and scatter of its natural logarithm.
MEDIAN, SCATTER = 0.27, 0.59
#: Rate of the helium line in a filter over that in F105W. The throughputs at 1.083 um are 0.485 in F105W and 0.0042 in
#: F125W, and below 1e-3 of F105W's in the others; that of F110W is not published and taken as F105W's.
RESPONSE = {"F105W": 1.0, "F110W": 1.0, "F125W": 0.0042 / 0.485, "F098M": 0.0, "F140W": 0.0, "F160W": 0.0}


def relative_brightness(sun_alt: Float64Array, los_zenith: Float64Array, sun_hour_angle: Float64Array) -> Float64Array:
    """Return the brightness of helium over that straight up by day.

    Parameters
    ----------
    sun_alt : ndarray
        Altitude of the Sun above the Earth's limb [deg].
    los_zenith : ndarray
        Angle between line of sight and local zenith [deg].
    sun_hour_angle : ndarray
        Hour angle of the Sun below the telescope [deg]; negative before noon.
    """
    half, width = (np.where(sun_hour_angle < 0, dawn, dusk) for dawn, dusk in zip(_DAWN, _DUSK, strict=True))
    return np.asarray(path_length(los_zenith) / (1 + np.exp(np.clip((half - sun_alt) / width, -50, 50))))


def path_length(los_zenith: Float64Array) -> Float64Array:
    """Return the length of a line of sight within the helium over that straight up; angles in deg."""
    z, inner, outer = np.radians(los_zenith), _EARTH + _TELESCOPE, _EARTH + _TOP
    along = np.sqrt(outer**2 - (inner * np.sin(z)) ** 2) - inner * np.cos(z)
    return np.asarray(along / (outer - inner))


def excess_percentile(relative: Float64Array, percent: float) -> float:
    """Return a percentile of the helium rate of one of several exposures, in F105W [electron/s].

    Parameters
    ----------
    relative : ndarray, shape (n,)
        Mean of `relative_brightness` over each exposure.
    percent : float
        Between 0 and 100.
    """
    from scipy.special import ndtr, ndtri

    logs = np.log(np.maximum(MEDIAN * relative, 1e-9))
    away = SCATTER * float(ndtri(percent / 100))
    low, high = float(logs.min()) + away, float(logs.max()) + away
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if ndtr((middle - logs) / SCATTER).mean() < percent / 100 else (low, middle)
    return float(np.exp((low + high) / 2))


def probability_above(limit: Float64Array) -> Float64Array:
    """Return the probability that the brightness straight up by day is above limits [electron/s] in F105W."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore"):
        return np.asarray(ndtr((np.log(MEDIAN) - np.log(limit)) / SCATTER))
