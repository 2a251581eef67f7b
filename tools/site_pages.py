"""Pages of the site that stand elsewhere in the repository: notebooks, CONTRIBUTING and CHANGELOG (hooks of mkdocs)."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).resolve().parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    from mkdocs.structure.files import File

    for name in ("CONTRIBUTING", "CHANGELOG"):
        text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
        files.append(File.generated(config, f"{name.lower()}.md", content=re.sub(r"\]\(docs/", "](", text)))
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text, images = notebook_page(json.loads(path.read_text(encoding="utf-8")), path.stem)
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=text))
        for name, content in images.items():
            files.append(File.generated(config, f"notebooks/{name}", content=content))
    return files


def notebook_page(notebook: dict[str, Any], stem: str) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and the images of its outputs by file name."""
    parts: list[str] = []
    images: dict[str, bytes] = {}
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(re.sub(r"\]\(\.\./docs/", "](../", source))
            continue
        parts.append(f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                name = f"{stem}_{len(images)}.png"
                images[name] = base64.b64decode("".join(data["image/png"]))
                parts.append(f"![Output of the cell above]({name})")
            elif "text/html" in data:
                parts.append(_table("".join(data["text/html"])))
            elif "text/markdown" in data:
                parts.append("".join(data["text/markdown"]))
            elif text := "".join(output.get("text", data.get("text/plain", []))):
                parts.append(f"```text\n{text.rstrip()}\n```")
    title = "" if parts[0].startswith("# ") else f"# {stem}\n\n"
    return title + "\n\n".join(parts) + f"\n\n*From `notebooks/{stem}.ipynb`.*\n", images


def _table(html: str) -> str:
    """Return a table of pandas or astropy without its own look, and without blank lines, which would end the block."""
    html = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
    html = re.sub(r"<table[^>]*>", "<table>", html)
    return "\n".join(line for line in html.splitlines() if line.strip())
