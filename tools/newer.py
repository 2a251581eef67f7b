"""List the packages whose installed release is another than that of constraints.txt, one a line."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"


def main() -> None:
    """Print name, pinned and installed version, and how many are the same."""
    pins = [line.split("==") for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines() if "==" in line]
    pairs = [(name, pin, now) for name, pin in pins if (now := installed(name)) is not None]
    for name, pin, now in pairs:
        if pin != now:
            print(f"{name} {pin} -> {now}")
    print(f"{sum(pin == now for _, pin, now in pairs)} of {len(pairs)} as in constraints.txt")


def installed(name: str) -> str | None:
    """Return the installed version, or None."""
    try:
        return version(name)
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
