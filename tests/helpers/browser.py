"""Headless Chromium, driven over its DevTools protocol: just enough to click, type and take screenshots."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

#: Modifier of a key.
CTRL = 2


class PageError(RuntimeError):
    """Chromium answered a call with an error, e.g. since the page went away."""


class Browser:
    """One page of a separate Chromium."""

    def __init__(self, chromium: str, folder: Path) -> None:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--window-size=1200,900"]
        options += ["--remote-debugging-port=0", "--remote-allow-origins=*"]
        command = [chromium, *options, f"--user-data-dir={folder}", "about:blank"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._address = f"http://127.0.0.1:{_port(folder / 'DevToolsActivePort')}"
        self._number = 0

    async def open(self) -> Browser:
        """Connect to the page."""
        with urllib.request.urlopen(f"{self._address}/json") as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        self._socket: WebSocketClientConnection = await websocket_connect(page["webSocketDebuggerUrl"])
        return self

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        await self._socket.write_message(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(await self._socket.read_message() or "{}")
            if message.get("id") == self._number:
                if "error" in message:
                    raise PageError(message["error"])
                result: dict[str, Any] = message["result"]
                return result

    async def run(self, script: str) -> Any:
        """Run JavaScript in the page and return its value."""
        answer = await self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return answer["result"].get("value")

    async def until(self, script: str, seconds: float = 20.0) -> None:
        """Wait until JavaScript yields true; while another page is being loaded it yields an error."""

        async def yields_true() -> bool:
            with suppress(PageError):
                return bool(await self.run(script))
            return False

        end = time.monotonic() + seconds
        while not await yields_true():
            assert time.monotonic() < end, f"never true: {script}"
            await asyncio.sleep(0.05)

    async def go(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        await self.call("Page.navigate", url=address)
        scheme = address.partition(":")[0]
        await self.until(f"document.readyState === 'complete' && location.protocol === '{scheme}:'")

    async def key(self, name: str, modifiers: int = 0) -> None:
        """Press a key."""
        code = {"Enter": 13, "Tab": 9}[name]
        common = {"key": name, "code": name, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        await self.call("Input.dispatchKeyEvent", type="rawKeyDown", **common)
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def screenshot(self, path: Path) -> None:
        """Write a screenshot."""
        answer = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(answer["data"]))

    async def close(self) -> None:
        """End Chromium, and wait until the connection to it is closed: a loop that ends before leaves it open."""
        self._process.kill()
        self._process.wait()
        while await self._socket.read_message() is not None:
            pass
        self._socket.close()


def _port(file: Path) -> int:
    end = time.monotonic() + 30
    while not file.exists() or not file.read_text().strip():
        assert time.monotonic() < end, "Chromium did not start"
        time.sleep(0.05)
    return int(file.read_text().split()[0])
