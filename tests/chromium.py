"""A headless Chromium, driven through its own debugging protocol; no driver is needed beside the browser.

Debian and Ubuntu have it as ``apt-get install chromium``. Tests that use it skip where it, or Tornado (which Bokeh, and
so FlowKit, bring along), is absent.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WHY_NOT = "no Chromium found: apt-get install chromium, then run these tests again"

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
)  # fmt: skip
_SECONDS = 60


class Browser:
    """One tab. `console` holds what pages complained about, `requests` what they asked for beside themselves."""

    def __init__(self, loop: asyncio.AbstractEventLoop, socket: Any) -> None:
        self._loop, self._socket = loop, socket
        self._numbers = itertools.count(1)
        self._loaded = False
        self.console: list[str] = []
        self.requests: list[str] = []

    def open(self, page: Path, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Load a file and wait until it is there."""
        self.console.clear()
        self.requests.clear()
        self._loaded = False
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Page.navigate", url=page.resolve().as_uri())
        self._loop.run_until_complete(asyncio.wait_for(self._until_loaded(), _SECONDS))

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are waited for."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise AssertionError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """One call of the protocol."""
        return self._loop.run_until_complete(asyncio.wait_for(self._call(method, arguments), _SECONDS))

    async def _call(self, method: str, arguments: dict[str, Any]) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.write_message(json.dumps({"id": number, "method": method, "params": arguments}))
        while True:
            message = await self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]

    async def _next(self) -> dict[str, Any]:
        text = await self._socket.read_message()
        assert text is not None, "the browser has gone"
        message = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, told: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            self.console.append(str(told["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and told["type"] in {"error", "warning", "assert"}:
            self.console.append(str(told["args"]))
        elif method == "Log.entryAdded" and told["entry"]["level"] in {"error", "warning"}:
            self.console.append(told["entry"]["text"])
        elif method == "Network.requestWillBeSent" and not told["request"]["url"].startswith(("data:", "blob:")):
            self.requests.append(told["request"]["url"])

    async def _until_loaded(self) -> None:
        while not self._loaded:
            await self._next()


@contextlib.contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser with an empty profile of its own, ended when the block is left."""
    if CHROMIUM is None:
        pytest.skip(WHY_NOT)
    websocket = pytest.importorskip("tornado.websocket")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        loop = asyncio.new_event_loop()
        try:
            address = _first_tab(_address(process))
            socket = loop.run_until_complete(_connected(websocket, address))
            browser = Browser(loop, socket)
            for part in ("Page", "Runtime", "Log", "Network"):
                browser.call(f"{part}.enable")
            yield browser
            socket.close()
        finally:
            process.terminate()
            process.wait(10)
            assert process.stderr is not None
            process.stderr.close()
            loop.run_until_complete(asyncio.sleep(0.05))
            loop.close()


async def _connected(websocket: Any, address: str) -> Any:
    # Screenshots are large messages.
    return await websocket.websocket_connect(address, max_message_size=1 << 28)


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"ws://([^/]+)/", line)
        if found:
            return found[1]
    pytest.skip("Chromium ended before it could be talked to")


def _first_tab(host: str) -> str:
    from urllib.request import urlopen

    with urlopen(f"http://{host}/json/list") as answer:
        tabs = json.load(answer)
    return next(t["webSocketDebuggerUrl"] for t in tabs if t["type"] == "page")
