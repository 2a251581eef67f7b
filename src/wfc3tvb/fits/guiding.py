"""Read from observation logs (``_jif.fits``) whether the lock on the guide stars was lost during an exposure.

FGSLOCK in the header of an exposure, and GUIDECMD in the log, are the lock that was commanded: FINE/GYRO and GYROS are
those of normal exposures. What happened is in the log (STScI, jitter file format definition): NLOSSES and LOCKLOSS,
number and total time of the losses; GUIDEACT, the mode after the acquisition; T_GSFAIL, true if the acquisition failed
for any exposure of the association.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from wfc3tvb.errors import BadFileError
from wfc3tvb.fits.cards import Cards
from wfc3tvb.fits.companions import companion
from wfc3tvb.fits.hdus import read_fits

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
            headers = [extension.header for extension in read_fits(found)]
        except BadFileError as error:
            log.warning("%s: cannot be read (%s); a loss of lock would not be noticed", found, error.problem)
            continue
        for header in headers:
            if str(header.get("EXPNAME", "")).strip().lower()[:8] == rootname[:8]:
                return _lost(headers[0], header)
    return False


def _lost(association: Cards, exposure: Cards) -> bool:
    if any(_number(exposure.get(keyword)) > 0 for keyword in ("NLOSSES", "LOCKLOSS")):
        return True
    commanded, actual = _text(association, "GUIDECMD"), _text(exposure, "GUIDEACT")
    return association.get("T_GSFAIL") is True and actual != commanded


def _text(header: Cards, keyword: str) -> str:
    return str(header.get(keyword, "")).strip().upper()


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
