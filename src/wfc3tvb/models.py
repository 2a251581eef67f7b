"""Data classes shared by the packages: the reads of an exposure, its orbit, and its measurement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.display import brief, html_table
from wfc3tvb.schema import TABLES

if TYPE_CHECKING:
    from astropy.table import QTable

#: A table row: column name to value, None where unknown.
Row = dict[str, Any]


@dataclass(frozen=True)
class ReadCube:
    """Reads of one exposure, in time order, without the zeroth.

    Attributes
    ----------
    rootname : str
        Nine characters, lower case.
    header : mapping
        Keywords of the primary header and, where the primary has none, of the last read's SCI header.
    t : ndarray, shape (n,), float64
        Time of each read since the zeroth [s].
    mjd : ndarray, shape (n,), float64
        Time at which each read ended [MJD, UTC]; NaN where the header does not say.
    rate : ndarray, shape (n, rows, columns), float32
        Cumulative rate since the zeroth read, ``[read, y, x]`` [electron/s].
    dq : ndarray, shape (n, rows, columns), int16
        Data-quality flags.
    rows : ndarray, shape (rows,), int64
        Index in the light-sensitive frame (0-based) of each row that was read; a survey may read only a band of rows.
    shape : tuple of int
        Height and width of the whole light-sensitive frame, reference pixels excluded.
    raw_shape : tuple of int
        Height and width of the file's frame, reference pixels included.
    n_bytes : int
        Bytes read to obtain this cube.
    """

    rootname: str
    header: Mapping[str, Any]
    t: NDArray[np.float64]
    mjd: NDArray[np.float64]
    rate: NDArray[np.float32]
    dq: NDArray[np.int16]
    rows: NDArray[np.int64]
    shape: tuple[int, int]
    raw_shape: tuple[int, int]
    n_bytes: int = 0
    #: Median of every read over the whole frame, reference pixels included (pstat's midpt); only where requested.
    cumulative_median: NDArray[np.float64] | None = None
    #: Level of the reference pixels beside the rows of every read [DN or electron], about 0; None without BLEVCORR.
    reference_level: NDArray[np.float64] | None = None
    #: Telescope position from the observation log; None where there is no log.
    jitter: Jitter | None = None
    #: True if the observation log says that the lock on the guide stars was lost or never acquired.
    lock_lost: bool = False


@dataclass(frozen=True)
class Jitter:
    """Telescope position from an exposure's observation log (JIT), every 3 s; arrays of shape (n,).

    Attributes
    ----------
    mjd : ndarray
        Time [MJD, UTC], increasing.
    limb_angle, los_zenith : ndarray
        LimbAng and LOS_Zenith: angle of the line of sight from the Earth's limb, and from the zenith [deg].
    latitude, longitude : ndarray
        Of the point below the telescope [deg], longitude east.
    bright_limb : ndarray or None
        BrightLimb, 1 where the nearest limb is sunlit. None where the log has no such column.
    """

    mjd: NDArray[np.float64]
    limb_angle: NDArray[np.float64]
    los_zenith: NDArray[np.float64]
    latitude: NDArray[np.float64]
    longitude: NDArray[np.float64]
    bright_limb: NDArray[np.float64] | None = None


@dataclass(frozen=True, repr=False)
class Measurement:
    """Measurement of one exposure: its row of `exposures` and its rows of `reads`."""

    exposure: Row
    reads: list[Row] = field(default_factory=list)

    @property
    def rootname(self) -> str:
        """Rootname of the exposure."""
        return str(self.exposure["rootname"])

    @property
    def table(self) -> QTable:
        """Curve of the exposure: its reads as an astropy table of quantities, the exposure's row in its ``meta``.

        The column ``mjd`` is an `astropy.time.Time` (scale UTC).
        """
        from wfc3tvb.schema.quantities import table_of

        found = table_of(self.reads, TABLES["reads"].columns)
        found.meta.update(self.exposure)
        return found

    def __repr__(self) -> str:
        """Return rootname, filter, number of reads and verdict."""
        parts = [f"{label} {value}" for label, value in self._verdict() if value is not None]
        return f"<Measurement {self.rootname}: {', '.join(parts)}>"

    def _repr_html_(self) -> str:
        """Return the verdict and the curve, for notebooks."""
        names = ("read", "t_end", "used", "rate", "rate_err", "sun_alt", "in_shadow")
        units = {column.name: column.unit for column in TABLES["reads"].columns}
        header = [f"{name} [{units[name]}]" if units[name] else name for name in names]
        return html_table([[brief(row[name]) for name in names] for row in self.reads], header, title=repr(self)[1:-1])

    def _verdict(self) -> list[tuple[str, Any]]:
        row = self.exposure
        sky = None if row["sky_mean"] is None else f"{row['sky_mean']:.2f} electron/s"
        return [("filter", row["filter"]), ("reads", len(self.reads)), ("sky", sky), ("class", row["tvb_class"]),
                ("recommend", row["recommend"])]  # fmt: skip


@dataclass(frozen=True)
class OrbitElements:
    """Orbital elements from an exposure's support file (SPT), in the units of its keywords.

    Attributes
    ----------
    epoch : float
        EPCHTIME, epoch of the elements [s since 1985-01-01].
    semi_latus_rectum : float
        SEMILREC [m].
    eccentricity : float
        ECCENTRY.
    sin_inclination, cos_inclination : float
        SINEINCL, COSINCLI.
    mean_anomaly : float
        MEANANOM at the epoch [rad].
    mean_motion, mean_motion_rate : float
        FDMEANAN [rev/s] and SDMEANAN [rev/s2].
    perigee, perigee_rate : float
        ARGPERIG [rev] and RCARGPER [rev/s], argument of perigee.
    node, node_rate : float
        RASCASCN [rev] and RCASCNRV [rev/s], right ascension of the ascending node.
    """

    epoch: float
    semi_latus_rectum: float
    eccentricity: float
    sin_inclination: float
    cos_inclination: float
    mean_anomaly: float
    mean_motion: float
    mean_motion_rate: float
    perigee: float
    perigee_rate: float
    node: float
    node_rate: float
