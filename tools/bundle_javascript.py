"""Bundle the JavaScript packages that the page of a release needs, with their licences; needs Node.js and npm.

Run ``python tools/bundle_javascript.py`` after changing a version below. It writes two files into
``src/wfc3tvb/publish/static``: the minified bundle, whose names are properties of the object ``parquet``, and the
licences.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "src" / "wfc3tvb" / "publish" / "static"
#: Package to its version and the names that are used.
PACKAGES = {
    "hyparquet": ("1.33.0", "parquetMetadataAsync, parquetReadObjects"),
    "squirreling": ("0.12.11", "asyncRow, collect, executeSql"),
    "fzstd": ("0.1.1", "decompress"),
}
_BUNDLER = "esbuild@0.28.2"


def main() -> None:
    """Install the packages in a folder that is deleted at the end, and bundle them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "package.json").write_text("{}")
        wanted = [f"{package}@{version}" for package, (version, _) in PACKAGES.items()]
        subprocess.run(["npm", "install", "--silent", "--ignore-scripts", *wanted, _BUNDLER], cwd=folder, check=True)
        lines = [f"export {{ {names} }} from '{package}'\n" for package, (_, names) in PACKAGES.items()]
        (folder / "entry.js").write_text("".join(lines))
        options = ["--bundle", "--minify", "--format=iife", "--global-name=parquet", "--charset=ascii"]
        out = f"--outfile={OUT / 'parquet.min.js'}"
        subprocess.run(["npx", "esbuild", "entry.js", *options, "--legal-comments=none", out], cwd=folder, check=True)
        (OUT / "parquet.LICENSES.txt").write_text("\n".join(_license(folder, package) for package in PACKAGES))


def _license(folder: Path, package: str) -> str:
    text = (folder / "node_modules" / package / "LICENSE").read_text(encoding="utf-8").strip()
    return f"{package} {PACKAGES[package][0]}\n\n{text}\n"


if __name__ == "__main__":
    main()
