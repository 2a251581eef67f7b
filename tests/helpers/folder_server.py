"""A folder served like `python -m http.server` does, or also by ranges as archives do."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class WholeFiles(SimpleHTTPRequestHandler):
    """Whole files only: a range that is asked for is ignored."""

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


class Ranges(WholeFiles):
    """Files and their ranges."""

    def do_GET(self) -> None:
        """Answer with a range, if one is asked for."""
        asked = self.headers.get("Range")
        if asked is None:
            return super().do_GET()
        first, last = map(int, asked.removeprefix("bytes=").split("-"))
        data = Path(self.translate_path(self.path)).read_bytes()
        part = data[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        self.wfile.write(part)
        return None


def folder_server(folder: Path, handler: type[WholeFiles]) -> ThreadingHTTPServer:
    """Return a server of a folder on this machine."""
    return ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
