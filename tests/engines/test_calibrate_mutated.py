"""`calibrate` from damaged RAW and reference files: products, or one line that names what is wrong; never a crash."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from tests.helpers import golden
from wfc3tvb.engines.calibrate import calibrate
from wfc3tvb.errors import TvbError

_CASE, _N = "09_spars100_64_n4_rise", 200
_VALUES = (b"-5", b"0", b"'text'", b"999999999999", b"NaN", b"1.5E99", b"T")


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with one kind of damage."""
    made = bytearray(data)
    headers = [i for i in range(0, len(made), 2880) if made[i : i + 8] in (b"SIMPLE  ", b"XTENSION")]
    card = int(rng.choice(headers)) + 80 * int(rng.integers(1, 30))
    block = 2880 * int(rng.integers(len(made) // 2880))
    match rng.integers(6):
        case 0:
            return bytes(made[: rng.integers(len(made))])
        case 1:
            for place in card + rng.integers(0, 800, 4):
                made[place % len(made)] = int(rng.integers(32, 127))
        case 2:
            made[card + 10 : card + 30] = rng.choice(_VALUES).rjust(20)
        case 3:
            made[card : card + 8] = b"NOTHING "
        case 4:
            del made[block : block + 2880]
        case _:
            for place in rng.integers(0, len(made), 50):
                made[place] = int(rng.integers(256))
    return bytes(made)


def test_damaged_files(tmp_path: Path) -> None:
    golden.unpack(golden.HERE / "iref", tmp_path / "iref")
    golden.unpack(golden.HERE / _CASE, tmp_path)
    (raw,) = tmp_path.glob("*_raw.fits")
    whole = {path: path.read_bytes() for path in (raw, *sorted((tmp_path / "iref").iterdir()))}
    rng = np.random.default_rng(11)
    outcomes: dict[str, int] = {}
    for k in range(_N):
        path = raw if k % 2 else list(whole)[int(rng.integers(1, len(whole)))]
        path.write_bytes(mutated(whole[path], rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # of arithmetic on damaged numbers
                calibrate(raw, engine="native", iref=tmp_path / "iref", overwrite=True, crcorr="perform")
            outcome = "products"
        except TvbError as error:
            assert "\n" not in str(error)
            assert path.name in str(error) or raw.name in str(error)
            outcome = type(error).__name__
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
        path.write_bytes(whole[path])
    assert outcomes["products"] > _N // 4
    assert _N - outcomes["products"] > _N // 4
    assert len(outcomes) >= 5
