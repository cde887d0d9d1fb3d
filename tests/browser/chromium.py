"""Chromium without a window, driven through its DevTools protocol."""

import asyncio
import itertools
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.support.waiting import until
from websockets.asyncio.client import ClientConnection, connect

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-port=0",
)  # fmt: skip


class Tab:
    """One page. `run` evaluates JavaScript in it and waits for the promise."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def open(self, address: str) -> None:
        await self.ask("Page.navigate", url=address)
        await until(lambda: self.run(f"document.readyState === 'complete' && location.href === {json.dumps(address)}"))

    async def run(self, expression: str) -> Any:
        """Raises AssertionError with what the page threw."""
        answer = await self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        async with asyncio.timeout(30):
            while True:
                message: dict[str, Any] = json.loads(await self._socket.recv())
                if message.get("id") == number:
                    assert "error" not in message, message
                    answer: dict[str, Any] = message["result"]
                    return answer


@contextmanager
def running(folder: Path) -> Iterator[Path]:
    """Run the program with a new profile; answers where it notes its port."""
    assert PROGRAM is not None
    command = [PROGRAM, *FLAGS, f"--user-data-dir={folder / 'profile'}", "about:blank"]
    with (folder / "chromium.log").open("wb") as log:
        browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield folder / "profile" / "DevToolsActivePort"
    finally:
        browser.terminate()
        try:
            browser.wait(10)
        except subprocess.TimeoutExpired:
            browser.kill()
            browser.wait()


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Tab]:
    """A browser that has never been used; its profile and its log are in `folder`."""
    with running(folder) as note:
        await until(lambda: note.exists() and len(note.read_text().splitlines()) > 1, seconds=30)
        port = note.read_text().splitlines()[0]
        async with httpx.AsyncClient(trust_env=False) as client:
            pages = (await client.get(f"http://127.0.0.1:{port}/json/list")).json()
        address = next(page["webSocketDebuggerUrl"] for page in pages if page["type"] == "page")
        async with connect(address, max_size=None, proxy=None) as socket:
            yield Tab(socket)
