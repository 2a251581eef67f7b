"""Distortion, pointing and point-spread function of the camera.

Distortion: the fourth-order polynomials of the IDCTAB w3m18525i (Kozhurina-Platais et al., WFC3 ISR 2012-07), as the
SIP keywords of public F110W and grism images give them, composed with the roll angle as stwcs does.
Point-spread function: the diffraction image of Hubble's obscured pupil, averaged over the filter's band and the
pixel and smeared by interpixel capacitance (compare Krist, Hook and Stoehr 2011, SPIE 8127).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from astropy.wcs import WCS, Sip
from numpy.typing import NDArray
from scipy.ndimage import convolve, gaussian_filter, map_coordinates, uniform_filter

from wfc3tvb.instrument import FILTERS
from wfc3tvb.simulate.frame import Frame

Float64Array = NDArray[np.float64]

#: Reference pixel of the distortion (1-based, light-sensitive full frame), and its place in the focal plane [arcsec].
XREF = YREF = 507.0
V2REF, V3REF, THETA, SCALE = 1.019, -0.507, 45.0, 0.12825
#: Coefficients C[i][j] of x^j y^(i-j) [arcsec], x and y in pixels from the reference pixel.
CX = (
    (7.7612e-4, 1.354107e-1),
    (3.0565e-8, 3.31158e-6, -2.1350e-8),
    (4.712e-12, 8.157e-12, 1.5019e-11, -1.9658e-11),
    (-2.689e-14, 8.394e-14, -2.9e-15, 7.606e-14, -4.584e-14),
)
CY = (
    (1.209511e-1, -4.2132e-4),
    (3.63102e-6, -3.1434e-8, 8.4434e-7),
    (-2.0303e-11, 5.134e-12, -3.1904e-11, 6.490e-12),
    (9.379e-14, -1.123e-14, -8.41e-15, 1.188e-14, -7.412e-14),
)
#: Size of a pixel along x and y [arcsec] (the linear terms above).
PIXEL_X, PIXEL_Y = 0.1354, 0.1210
#: Jitter of the telescope, rms [arcsec].
_JITTER = 0.008
#: Primary mirror [m]; central obscuration and vanes as fractions of it, those of the camera's cold mask included.
_DIAMETER, _OBSCURATION, _VANE = 2.4, 0.36, 0.05
#: Odd, so that averaging over a pixel does not shift the image.
_OVERSAMPLING, _STAMP = 5, 61
#: Fractions of a pixel's charge that its neighbors see (interpixel capacitance; WFC3 ISR 2011-10).
_CROSSTALK = ((0.002, 0.015, 0.002), (0.015, 0.932, 0.015), (0.002, 0.015, 0.002))


@dataclass(frozen=True)
class Pointing:
    """Pointing of the telescope.

    Attributes
    ----------
    ra, dec : float
        Sky position of the reference pixel [deg].
    pa_v3 : float
        Position angle of the V3 axis [deg].
    vafactor : float
        Velocity aberration's change of scale.
    """

    ra: float
    dec: float
    pa_v3: float
    vafactor: float = 1.0

    @property
    def pa_aperture(self) -> float:
        """Position angle of the ideal y axis at the aperture [deg], 0 to 360."""
        return (self.pa_v3 + roll_offset(self.dec, self.pa_v3) + THETA) % 360

    def wcs(self, frame: Frame, *, sip: bool = True) -> WCS:
        """Return the world coordinates of a frame as it is in a file, reference pixels included."""
        wcs = WCS(naxis=2)
        crpix = [XREF + frame.ltv, YREF + frame.ltv]
        wcs.wcs.crpix, wcs.wcs.crval, wcs.wcs.cd = crpix, [self.ra, self.dec], self.cd()
        wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"] if sip else ["RA---TAN", "DEC--TAN"]
        if sip:
            a, b = sip_coefficients()
            wcs.sip = Sip(a, b, None, None, crpix)
        wcs.wcs.set()
        return wcs

    def cd(self) -> Float64Array:
        """Return the CD matrix [deg/pixel]: linear terms of the distortion, turned to the sky."""
        angle = np.radians(self.pa_aperture)
        turn = np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.asarray(turn @ _linear_terms() * self.vafactor / 3600)


def point_at(target: tuple[float, float], pa_v3: float, offset: tuple[float, float], vafactor: float = 1.0) -> Pointing:
    """Return the pointing that puts a target at an offset (POSTARG, in arcsec along x and y) from the reference pixel.

    Parameters
    ----------
    target : tuple of float
        Right ascension and declination [deg].
    pa_v3 : float
        Position angle of the V3 axis [deg].
    offset : tuple of float
        POSTARG1 and POSTARG2 [arcsec].
    vafactor : float
        Velocity aberration's change of scale.
    """
    centred = Pointing(*target, pa_v3, vafactor)
    angle = np.radians(centred.pa_aperture)
    x, y = offset
    east = -(-np.cos(angle) * x + np.sin(angle) * y) / 3600
    north = -(np.sin(angle) * x + np.cos(angle) * y) / 3600
    ra = target[0] + east / np.cos(np.radians(target[1]))
    return Pointing(float(ra), float(target[1] + north), pa_v3, vafactor)


def roll_offset(dec: float, pa_v3: float) -> float:
    """Return the roll angle at the aperture less that at the V1 axis [deg], to first order (1 arcsec from the axis)."""
    roll = np.radians(pa_v3)
    east = (V2REF * np.cos(roll) + V3REF * np.sin(roll)) / 3600
    return float(east * np.tan(np.radians(dec)))


def _linear_terms() -> Float64Array:
    (cx10, cx11), (cy10, cy11) = CX[0], CY[0]
    return np.array([[cx11, cx10], [cy11, cy10]])


@cache
def sip_coefficients() -> tuple[Float64Array, Float64Array]:
    """Return the SIP coefficients A and B, shape (5, 5), element [p, q] of x^p y^q."""
    x, y = np.zeros((5, 5)), np.zeros((5, 5))
    for order, (row_x, row_y) in enumerate(zip(CX[1:], CY[1:], strict=True), start=2):
        for p in range(order + 1):
            x[p, order - p], y[p, order - p] = row_x[p], row_y[p]
    a, b = np.einsum("ij,jpq->ipq", np.linalg.inv(_linear_terms()), np.stack([x, y]))
    return a, b


@cache
def pixel_response(name: str) -> Float64Array:
    """Return the image of a star in a filter, oversampled five times in each axis; its sum is 25.

    Element [y, x] is the fraction of the light that a pixel receives whose centre lies (y - c, x - c) fifths of a pixel
    from the star, c being the middle element.
    """
    known = FILTERS[name] if name in FILTERS and FILTERS[name].simulated else FILTERS["F105W"]
    # Rounded to a thousandth of a micrometer, so that a seed gives the same pixels in every version.
    waves = round(known.pivot or 0.0, 3) + (known.width or 0.0) * np.array([-0.36, -0.12, 0.12, 0.36])
    image = np.mean([_diffraction(wave) for wave in waves], axis=0)
    image = gaussian_filter(image, _JITTER / (PIXEL_X / _OVERSAMPLING))
    image = uniform_filter(image, _OVERSAMPLING) * _OVERSAMPLING**2
    crosstalk = np.zeros((2 * _OVERSAMPLING + 1,) * 2)
    crosstalk[::_OVERSAMPLING, ::_OVERSAMPLING] = _CROSSTALK
    image = convolve(image, crosstalk, mode="constant")
    return np.asarray(image * (_OVERSAMPLING**2 / image.sum()))


def _diffraction(wave: float) -> Float64Array:
    """Return the monochromatic image [per oversampled pixel], by a matrix Fourier transform of the pupil."""
    n, half = 256, _STAMP * _OVERSAMPLING // 2
    u = (np.arange(n) + 0.5) / n - 0.5
    radius = 2 * np.hypot(u[:, None], u)
    pupil = (radius <= 1) & (radius >= _OBSCURATION)
    diagonals = np.abs(u[:, None] - u), np.abs(u[:, None] + u)
    for distance in diagonals:
        pupil &= distance / np.sqrt(2) > _VANE / 2
    steps = np.arange(-half, half + 1) / _OVERSAMPLING
    scale = np.radians(1 / 3600) * _DIAMETER / (wave * 1e-6)
    kernels = [np.exp(-2j * np.pi * np.outer(steps * pixel * scale, u)) for pixel in (PIXEL_Y, PIXEL_X)]
    field = kernels[0] @ pupil @ kernels[1].T
    intensity = np.abs(field) ** 2
    return np.asarray(intensity / intensity.sum())


def star_stamp(name: str, dy: float, dx: float) -> Float64Array:
    """Return the fractions of a star's light in the 59 x 59 pixels around it, a pixel less than the table on each side.

    `dy`, `dx` are the star's offsets from the middle pixel's centre, -0.5 to 0.5 [pixel].
    """
    table = pixel_response(name)
    middle, reach = table.shape[0] // 2, _STAMP // 2 - 1
    offsets = np.arange(-reach, reach + 1)
    grid = np.meshgrid(middle + (offsets - dy) * _OVERSAMPLING, middle + (offsets - dx) * _OVERSAMPLING, indexing="ij")
    return np.asarray(map_coordinates(table, grid, order=1))
