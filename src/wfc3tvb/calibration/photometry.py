"""PHOTCORR: what a rate means (WFC3 Data Handbook 3.3.8)."""

from __future__ import annotations

import numpy as np


def photfnu(photflam: float, photplam: float) -> float:
    """Return PHOTFNU [Jy s / electron]: ``3.33564e4 PHOTFLAM PHOTPLAM**2`` (PHOTCORR).

    Parameters
    ----------
    photflam : float
        Inverse sensitivity [erg / cm2 / Angstrom / electron].
    photplam : float
        Pivot wavelength [Angstrom].
    """
    return float(np.float32(3.33564e4 * photflam * photplam * photplam))


def photmode(filter_name: str, expstart: float) -> str:
    """Return PHOTMODE, e.g. ``WFC3 IR F105W MJD#56298.7835``.

    Parameters
    ----------
    filter_name : str
        FILTER.
    expstart : float
        EXPSTART [MJD].
    """
    return f"WFC3 IR {filter_name} MJD#{expstart:.4f}"
