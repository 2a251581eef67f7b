"""Models of the sky during an exposure: uniform and scattered level in every interval between reads.

Zodiacal light is constant; helium emission (He I 10830 A) follows the Sun above the Earth's limb and is uniform over
the field (Brammer et al., WFC3 ISR 2014-03); light scattered from the bright Earth has a fixed pattern, brightest in
the left 200 columns (WFC3 Data Handbook, section 7.10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.errors import BadArgumentError
from wfc3tvb.instrument import BORDER, FULL_LIGHT
from wfc3tvb.simulate.frame import Frame

Float64Array = NDArray[np.float64]
#: Altitude of the Sun at which half of the helium shines, and the width of its rise [deg].
_HALF_ALTITUDE, _RISE = 22.0, 5.5
#: Scattered light falls from the left edge on with this length [pixel], to this part of what it falls by there.
_SCATTER_LENGTH, _SCATTER_FLOOR = 260.0, 0.45
#: Altitude of the Sun above the Earth's limb [deg] at times since the zeroth read [s].
SunAltitude = Callable[[Float64Array], Float64Array]


@dataclass(frozen=True)
class Sky:
    """Mean level of the sky over the frame in each interval between reads; arrays of shape (nsamp - 1,).

    Attributes
    ----------
    uniform : ndarray
        Light without a pattern [electron/s].
    scattered : ndarray
        Frame mean of the light scattered from the Earth [electron/s].
    """

    uniform: Float64Array
    scattered: Float64Array

    @property
    def total(self) -> Float64Array:
        """Mean level of each interval [electron/s]."""
        return self.uniform + self.scattered

    def cumulative(self, times: Float64Array) -> Float64Array:
        """Return the mean rate from the zeroth read to each later one [electron/s], given all read times."""
        return np.asarray(np.cumsum(self.total * np.diff(times)) / times[1:])


class SkyModel(Protocol):
    """Protocol of a sky model."""

    def sky(self, times: Float64Array, sun_alt: SunAltitude) -> Sky:
        """Return the sky between reads at `times` [s], the zeroth (0) included."""


@dataclass(frozen=True)
class Constant:
    """A constant sky.

    Attributes
    ----------
    rate : float
        Its level [electron/s].
    """

    rate: float

    def sky(self, times: Float64Array, sun_alt: SunAltitude) -> Sky:
        """Return the sky between reads."""
        return _uniform(np.full(len(times) - 1, self.rate))


@dataclass(frozen=True)
class Tabulated:
    """A sky given by the mean rate from the zeroth read to each later one, as in an IMA file.

    Attributes
    ----------
    cumulative : tuple of float
        One rate for every read but the zeroth [electron/s].
    """

    cumulative: tuple[float, ...]

    def sky(self, times: Float64Array, sun_alt: SunAltitude) -> Sky:
        """Return the sky between reads; `BadArgumentError` if the table is shorter than the exposure."""
        n = len(times) - 1
        if len(self.cumulative) < n:
            raise BadArgumentError(f"a table of {len(self.cumulative)} rates is too short for {n} reads")
        counts = np.array(self.cumulative[:n]) * times[1:]
        return _uniform(np.diff(counts, prepend=0.0) / np.diff(times))


@dataclass(frozen=True)
class Helium:
    """Zodiacal light and helium emission that rises and sets with the Sun.

    Attributes
    ----------
    zodi : float
        Level in the Earth's shadow [electron/s].
    peak : float
        Helium emission with the Sun high [electron/s]; half of it is reached 22 deg above the limb.
    """

    zodi: float
    peak: float

    def sky(self, times: Float64Array, sun_alt: SunAltitude) -> Sky:
        """Return the sky between reads: no emission while the Sun is below the limb."""
        alt = sun_alt(_midpoints(times))
        emission = np.where(alt > 0, self.peak / (1 + np.exp((_HALF_ALTITUDE - alt) / _RISE)), 0.0)
        return _uniform(self.zodi + emission.mean(axis=1))


@dataclass(frozen=True)
class Step:
    """A rise, a fall (negative `amplitude`) or, with `back`, a U, independent of the orbit.

    Attributes
    ----------
    level, amplitude : float
        First level and change [electron/s].
    middle, width : float
        When half of the change is done, and how long it takes [s].
    back : float or None
        When half of the way back is done [s].
    """

    level: float
    amplitude: float
    middle: float
    width: float = 60.0
    back: float | None = None

    def sky(self, times: Float64Array, sun_alt: SunAltitude) -> Sky:
        """Return the sky between reads."""
        return _uniform(self.level + self.amplitude * self._done(_midpoints(times)).mean(axis=1))

    def _done(self, t: Float64Array) -> Float64Array:
        done = 1 / (1 + np.exp((self.middle - t) / self.width))
        if self.back is not None:
            done = done - 1 / (1 + np.exp((self.back - t) / self.width))
        return np.asarray(done)


@dataclass(frozen=True)
class Scattered:
    """Any sky, and scattered light that changes as a `Step` does.

    Attributes
    ----------
    base : SkyModel
        The uniform part.
    light : Step
        Frame mean of the scattered light.
    """

    base: SkyModel
    light: Step

    def sky(self, times: Float64Array, sun_alt: SunAltitude) -> Sky:
        """Return the sky between reads."""
        light = self.light.sky(times, sun_alt).uniform
        return Sky(self.base.sky(times, sun_alt).uniform, np.maximum(light, 0))


def scattered_pattern(frame: Frame) -> NDArray[np.float32]:
    """Return the pattern of scattered light, shape (raw, raw): mean 1 over the light-sensitive pixels.

    A small frame carries the pattern of the whole detector, squeezed: it stands for a full one.
    """
    column = (np.arange(frame.raw) - BORDER + 0.5) * (FULL_LIGHT / frame.light)
    profile = _SCATTER_FLOOR + np.exp(-np.clip(column, 0, None) / _SCATTER_LENGTH)
    profile /= profile[frame.inner[1]].mean()
    return np.broadcast_to(profile, (frame.raw, frame.raw)).astype(np.float32)


def _uniform(rate: Float64Array) -> Sky:
    return Sky(rate, np.zeros_like(rate))


def _midpoints(times: Float64Array, parts: int = 40) -> Float64Array:
    """Return the midpoints of `parts` equal parts of each interval, shape (intervals, parts)."""
    steps = (np.arange(parts) + 0.5) / parts
    return np.asarray(times[:-1, None] + np.diff(times)[:, None] * steps)
