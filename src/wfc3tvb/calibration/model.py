"""Arguments and results of the calibration: the ramp of an exposure, its reference data and switches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wfc3tvb.instrument import ZEROTH_OFFSET

Float32Array = NDArray[np.float32]
Flags = NDArray[np.int16]


@dataclass(frozen=True)
class Planes:
    """Images of one shape, one per read, left in their mapped file: rows are converted on demand.

    Attributes
    ----------
    stored : tuple of ndarray, shape (ny, nx)
        The images, in any byte order.
    kind : dtype
        Type to convert them to.
    zero : float
        What is added to the stored values: BZERO.
    """

    stored: tuple[NDArray[Any], ...]
    kind: type
    zero: float = 0.0

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of images, height, width."""
        ny, nx = self.stored[0].shape
        return len(self.stored), ny, nx

    def __getitem__(self, k: int) -> NDArray[Any]:
        """Return an image."""
        return self.converted(self.stored[k])

    def converted(self, stored: NDArray[Any], into: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return stored values as numbers of this machine, in a new array or in `into`."""
        made: NDArray[Any] = np.empty(stored.shape, self.kind) if into is None else into
        if self.zero:
            np.add(stored, self.kind(self.zero), out=made, casting="unsafe")
        else:
            made[...] = stored
        return made

    def rows(self, y0: int, y1: int) -> NDArray[Any]:
        """Return rows y0 to y1 (exclusive) of all images, shape (images, rows, nx)."""
        if self._stack is not None:
            return self.converted(self._stack[:, y0:y1])
        made: NDArray[Any] = np.empty((len(self.stored), y1 - y0, self.shape[2]), self.kind)
        for image, part in zip(self.stored, made, strict=True):
            self.converted(image[y0:y1], part)
        return made

    @cached_property
    def _stack(self) -> NDArray[Any] | None:
        """The images as one array, if they are equally far from each other in a file: one call converts them all.

        Images of different owners are never one: what lies between them may be the array that they are copied to.
        """
        first, *others = self.stored
        steps = set(np.diff([image.__array_interface__["data"][0] for image in self.stored]).tolist()) or {0}
        same = all((i.dtype, i.strides) == (first.dtype, first.strides) and _owner(i) is _owner(first) for i in others)
        if len(steps) > 1 or not same:
            return None
        strides = steps.pop(), *first.strides
        return np.lib.stride_tricks.as_strided(first, (len(self.stored), *first.shape), strides, writeable=False)


def _owner(image: NDArray[Any]) -> Any:
    """Return the object whose memory an image uses."""
    owner: Any = image
    while isinstance(owner, np.ndarray) and owner.base is not None:
        owner = owner.base
    return owner.obj if isinstance(owner, memoryview) else owner


def rows_of(images: NDArray[Any] | Planes, y0: int, y1: int) -> NDArray[Any]:
    """Return rows y0 to y1 (exclusive) of images, as numbers of this machine that lie together in memory."""
    if isinstance(images, Planes):
        return images.rows(y0, y1)
    return np.array(images[..., y0:y1, :], images.dtype.newbyteorder("="), order="C")


class Window(NamedTuple):
    """Rows y0 to y1 and columns x0 to x1 (exclusive) of a frame."""

    y0: int
    y1: int
    x0: int
    x1: int


class Imset(NamedTuple):
    """Signal, error and flags of a read, of all reads, or of a row of one: arrays of one shape.

    Attributes
    ----------
    sci, err : ndarray, float32
        Signal and its error.
    dq : ndarray, int16
        Data-quality flags.
    """

    sci: Float32Array
    err: Float32Array
    dq: Flags


class Quadrants(NamedTuple):
    """Amplifiers and the quadrants that they read, in the form that the kernels take.

    Attributes
    ----------
    gain, readnoise : ndarray, shape (4,), float32
        Gain and read noise of the amplifiers A, B, C, D [electron/DN, electron].
    split_y, split_x : int
        Row and column of the frame at which the quadrants meet: B lower left, C lower right, A upper left, D upper
        right.
    """

    gain: Float32Array
    readnoise: Float32Array
    split_y: int
    split_x: int


class ZerothSignal(NamedTuple):
    """Signal collected from sources before the zeroth read, found by ZSIGCORR.

    Attributes
    ----------
    level : ndarray, shape (ny, nx), float32
        The signal [DN], 0 where there is none.
    seen : ndarray, shape (ny, nx), bool
        True where there is a signal, or the pixel is saturated in one of the first two reads.
    """

    level: Float32Array
    seen: NDArray[np.bool_]


@dataclass(frozen=True)
class Switches:
    """Steps to be done (PERFORM)."""

    dqicorr: bool = True
    zsigcorr: bool = True
    blevcorr: bool = True
    zoffcorr: bool = True
    nlincorr: bool = True
    darkcorr: bool = True
    photcorr: bool = True
    unitcorr: bool = True
    crcorr: bool = True
    flatcorr: bool = True


@dataclass
class Ramp:
    """The reads of an exposure in time order, the zeroth first; the steps change the arrays in place.

    Attributes
    ----------
    sci, err : ndarray or Planes, shape (n, ny, nx), float32
        Signal and its error [DN, later electron/s].
    dq : ndarray or Planes, shape (n, ny, nx), int16
        Data-quality flags.
    time : ndarray, shape (n,), float32
        Plane TIME of every read, the same for all pixels [s].
    samptime : ndarray, shape (n,), float64
        SAMPTIME of every read [s].
    unit : str
        COUNTS, COUNTS/S, ELECTRONS or ELECTRONS/S.
    ltv : (int, int)
        LTV1, LTV2 of the frame, rounded.
    complete : frozenset of str
        Steps done before (COMPLETE in the header of an IMA), e.g. ``zsigcorr``.
    """

    sci: Any
    err: Any
    dq: Any
    time: Float32Array
    samptime: NDArray[np.float64]
    unit: str = "COUNTS"
    ltv: tuple[int, int] = (5, 5)
    complete: frozenset[str] = frozenset()

    @property
    def n(self) -> int:
        """Number of reads, the zeroth included."""
        return int(self.sci.shape[0])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the frame, reference pixels included."""
        return int(self.sci.shape[1]), int(self.sci.shape[2])

    @property
    def sampzero(self) -> float:
        """Time from the reset to the zeroth read [s]."""
        return float(self.samptime[1]) - ZEROTH_OFFSET if self.n > 1 else 0.0

    def rows(self, y0: int, y1: int) -> Ramp:
        """Return rows y0 to y1 (exclusive), as new arrays: a frame of its own on the detector."""
        sci, err, dq = (rows_of(images, y0, y1) for images in (self.sci, self.err, self.dq))
        return replace(self, sci=sci, err=err, dq=dq, ltv=(self.ltv[0], self.ltv[1] - y0))


@dataclass(frozen=True)
class Amplifiers:
    """Gain [electron/DN], read noise [electron] of the amplifiers A, B, C, D, and where the quadrants meet (CCDTAB)."""

    gain: Float32Array
    readnoise: Float32Array
    ampx: int
    ampy: int

    @property
    def mean_gain(self) -> np.float32:
        """Mean gain, summed in single precision as in calwf3."""
        a, b, c, d = self.gain
        return np.float32(np.float32(np.float32(np.float32(a + b) + c) + d) / np.float32(4))


@dataclass(frozen=True)
class Overscan:
    """Reference pixels (OSCNTAB): widths of the four borders, columns at left and right (1-based, inclusive)."""

    trimx: tuple[int, int]
    trimy: tuple[int, int]
    left: tuple[int, int]
    right: tuple[int, int]

    def window(self, shape: tuple[int, int]) -> Window:
        """Return the light-sensitive part of a frame."""
        ny, nx = shape
        return Window(self.trimy[0], ny - self.trimy[1], self.trimx[0], nx - self.trimx[1])

    def sees_light(self, shape: tuple[int, int]) -> bool:
        """Return True if some columns of reference pixels are light-sensitive."""
        light = self.window(shape)
        return self.left[1] > light.x0 or self.right[0] <= light.x1


class Linearity(NamedTuple):
    """Nonlinearity (NLINFILE), cut to the frame.

    Attributes
    ----------
    coef : ndarray or Planes, shape (m, ny, nx), float32
        Coefficients of the polynomial, m = 4 in the files of the archive.
    node : ndarray, shape (ny, nx), float32
        Saturation level [DN].
    dq : ndarray, shape (ny, nx), int16
        Flags.
    zsci, zerr : ndarray, shape (ny, nx), float32
        Super zero read and its error [DN].
    """

    coef: Any
    node: Float32Array
    dq: Flags
    zsci: Float32Array
    zerr: Float32Array


@dataclass(frozen=True, eq=False)
class Dark:
    """Dark of every read (DARKFILE): signal, error [DN], flags.

    Attributes
    ----------
    sci, err, dq : Planes
        The images.
    means : list of float
        MEANDARK of every read [DN], filled by the first exposure that is calibrated.
    """

    sci: Planes
    err: Planes
    dq: Planes
    means: list[float] = field(default_factory=list)


class Flat(NamedTuple):
    """Flat field with error and flags: the product of all flats, cut to the frame."""

    sci: Float32Array
    err: Float32Array
    dq: Flags


@dataclass(frozen=True)
class Rejection:
    """Cosmic-ray rejection (CRREJTAB): threshold in standard deviations, flags that make a sample unusable."""

    threshold: float = 4.0
    ignore: int = 256


@dataclass(frozen=True)
class Photometry:
    """Photometric keywords (IMPHTTAB)."""

    photflam: float = 0.0
    photzpt: float = 0.0
    photplam: float = 0.0
    photbw: float = 0.0


@dataclass(frozen=True)
class ReferenceData:
    """Contents of the reference files; None for those that no switch requires."""

    amplifiers: Amplifiers
    overscan: Overscan
    bad_pixels: Flags | None = None
    linearity: Linearity | None = None
    dark: Dark | None = None
    flat: Flat | None = None
    rejection: Rejection | None = None
    photometry: Photometry | None = None

    def rows(self, y0: int, y1: int) -> ReferenceData:
        """Return the data with bad pixels, nonlinearity and flat of rows y0 to y1 (exclusive); the dark stays whole."""
        bad, linearity, flat = self.bad_pixels, self.linearity, self.flat
        return replace(
            self,
            bad_pixels=None if bad is None else bad[y0:y1],
            linearity=None if linearity is None else Linearity(*(rows_of(plane, y0, y1) for plane in linearity)),
            flat=None if flat is None else Flat(*(rows_of(plane, y0, y1) for plane in flat)),
        )


@dataclass
class Image:
    """One image made of a ramp, reference pixels trimmed.

    Attributes
    ----------
    sci, err : ndarray, shape (ny, nx), float32
        Signal and its error, in the ramp's unit.
    dq, samp : ndarray, shape (ny, nx), int16
        Flags, and how many reads made each pixel.
    time : ndarray, shape (ny, nx), float32
        Integration time of each pixel [s].
    """

    sci: Float32Array
    err: Float32Array
    dq: Flags
    samp: Flags
    time: Float32Array

    def rows(self, y0: int, y1: int) -> Image:
        """Return rows y0 to y1 (exclusive), sharing memory."""
        rows = slice(y0, y1)
        return Image(self.sci[rows], self.err[rows], self.dq[rows], self.samp[rows], self.time[rows])


@dataclass
class Calibrated:
    """A calibrated ramp and its image, with the numbers that go into their headers.

    Attributes
    ----------
    ramp : Ramp
        The exposure; the pixels of its calibrated reads are stored elsewhere.
    image : Image
        The image, as in the FLT.
    light : Window
        Light-sensitive part of the frame, which the image covers.
    corners : Imset, shape (n,)
        The first pixel of every read.
    constant : Imset, shape (n,), bool
        Whether all pixels of a read are as the first.
    bias_levels : tuple of float
        MEANBLEV of every read [DN]; empty if BLEVCORR was not done.
    mean_dark : tuple of float
        MEANDARK of every read [DN]; empty if DARKCORR was not done.
    statistics : tuple of mapping
        Statistics of every read: keyword to value, under the name of the extension, ``"SCI"`` or ``"ERR"``.
    image_statistics : mapping
        Statistics of the image, likewise.
    counts : mapping
        Numbers for the trailer: pixels saturated in the zeroth and first read and per read, and unstable pixels.
    """

    ramp: Ramp
    image: Image
    light: Window
    corners: Imset
    constant: Any
    bias_levels: tuple[float, ...] = ()
    mean_dark: tuple[float, ...] = ()
    statistics: tuple[Mapping[str, Mapping[str, float]], ...] = ()
    image_statistics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    counts: Mapping[str, object] = field(default_factory=dict)
