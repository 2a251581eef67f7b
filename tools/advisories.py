"""Ask the open database of vulnerabilities (OSV) about every version that constraints.txt pins.

``python tools/advisories.py [ADDRESS]`` prints a line for each advisory. Exit status: 0 none is known, 1 there are
some, 2 the database cannot be reached, which it says in one line.
"""

from __future__ import annotations

import sys
from pathlib import Path

import requests

CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
ADDRESS = "https://api.osv.dev"
#: Time for an answer [s].
TIMEOUT = 20.0


def main() -> None:
    """Print what is known of the pinned versions."""
    address = sys.argv[1] if len(sys.argv) > 1 else ADDRESS
    versions = pinned(CONSTRAINTS.read_text(encoding="utf-8"))
    try:
        found = advisories(address, versions)
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        print(f"vulnerabilities not checked: no answer from {address} ({type(error).__name__})")
        sys.exit(2)
    for (name, version), names in found.items():
        print(f"{name} {version}: {', '.join(names)}")
    print(f"{len(versions)} versions checked, {len(found)} with known vulnerabilities")
    sys.exit(1 if found else 0)


def pinned(text: str) -> list[tuple[str, str]]:
    """Return names and versions of the lines ``name==version``."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    return [(name, version) for line in lines if "==" in line for name, version in [line.split("==")]]


def advisories(address: str, versions: list[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """Return the names of the advisories of those versions that have any; all are asked for in one request."""
    asked = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in versions]
    answer = requests.post(f"{address}/v1/querybatch", json={"queries": asked}, timeout=TIMEOUT)
    answer.raise_for_status()
    results = answer.json()["results"]
    if len(results) != len(versions):
        raise ValueError("the answer has another number of packages")
    pairs = zip(versions, results, strict=True)
    return {version: [one["id"] for one in result["vulns"]] for version, result in pairs if result.get("vulns")}


if __name__ == "__main__":
    main()
