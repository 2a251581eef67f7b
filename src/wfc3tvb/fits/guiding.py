"""Read from observation logs (``_jif.fits``) whether the lock on the guide stars was lost during an exposure.

FGSLOCK in the header of an exposure, and GUIDECMD in the log, are the lock that was commanded: FINE/GYRO and GYROS are
those of normal exposures. What happened is in the log (STScI, jitter file format definition): NLOSSES and LOCKLOSS,
number and total time of the losses; GUIDEACT, the mode after the acquisition; T_GSFAIL, true if the acquisition failed
for any exposure of the association.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from pathlib import Path

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from wfc3tvb.fits.companions import companion

log = logging.getLogger(__name__)


def lock_lost(logs: Iterable[Path], rootname: str) -> bool:
    """Return True if an observation log says that the lock was lost or never acquired.

    Parameters
    ----------
    logs : iterable of Path
        Candidates, ``_jif.fits`` or the ``_jit.fits`` beside; those that do not exist are skipped, those that cannot be
        read are logged.
    rootname : str
        The exposure.
    """
    for path in logs:
        found = path if "_jif." in path.name.lower() else companion(path, "jif")
        if found is None or not found.exists():
            continue
        try:
            with warnings.catch_warnings(), fits.open(found, memmap=False) as hdus:
                warnings.simplefilter("ignore", AstropyWarning)
                for hdu in hdus:
                    if str(hdu.header.get("EXPNAME", "")).strip().lower()[:8] == rootname[:8]:
                        return _lost(hdus[0].header, hdu.header)
        except (OSError, EOFError, ValueError, TypeError, KeyError, fits.VerifyError) as error:
            log.warning("%s: cannot be read (%s); a loss of lock would not be noticed", found, error)
    return False


def _lost(association: fits.Header, exposure: fits.Header) -> bool:
    if any(_number(exposure.get(keyword)) > 0 for keyword in ("NLOSSES", "LOCKLOSS")):
        return True
    commanded, actual = _text(association, "GUIDECMD"), _text(exposure, "GUIDEACT")
    return association.get("T_GSFAIL") is True and actual != commanded


def _text(header: fits.Header, keyword: str) -> str:
    return str(header.get(keyword, "")).strip().upper()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
