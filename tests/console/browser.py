"""Tabs of one Chromium, each a person of its own: cookies, storage and network of one tab are not another's."""

import asyncio
import base64
import itertools
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.support.waiting import until
from websockets.asyncio.client import ClientConnection, connect

ROOT = Path(__file__).parents[2]
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = Path(os.environ.get("SCREENSHOTS", ROOT / "build" / "screenshots"))
WORST = {"serious", "critical"}
SETTLED = "!document.querySelector('.htmx-added, .htmx-settling')"
"""What has just come is bound to htmx a moment after it can be seen: no person is so fast, a test is."""
KEYS = {"Enter": 13, "Escape": 27, "Tab": 9, " ": 32, "ArrowDown": 40, "ArrowUp": 38}


class Browser:
    """Chromium's DevTools protocol over one socket, read by a task of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._tabs: dict[str, Tab] = {}

    async def listen(self) -> None:
        async for raw in self._socket:
            message = json.loads(raw)
            if "id" in message:
                waiting = self._waiting.pop(message["id"], None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)
            elif message.get("sessionId") in self._tabs:
                self._tabs[message["sessionId"]].hear(message["method"], message["params"])

    async def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        number = next(self._numbers)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        message = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(30):
            told = await answer
        assert "error" not in told, (method, told["error"])
        result: dict[str, Any] = told["result"]
        return result

    async def tab(self, address: str, language: str = "en") -> "Tab":
        """A new person's tab: nothing is loaded yet. `address` is the service's."""
        context = (await self.ask("Target.createBrowserContext"))["browserContextId"]
        target = (await self.ask("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.ask("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        tab = self._tabs[session] = Tab(self, session, context, address)
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            await tab.ask(f"{domain}.enable")
        await tab.ask("Emulation.setFocusEmulationEnabled", enabled=True)
        await tab.ask("Network.setExtraHTTPHeaders", headers={"Accept-Language": language})
        await tab.size(1280, 860)
        return tab

    async def close(self, context: str) -> None:
        await self.ask("Target.disposeBrowserContext", browserContextId=context)


class Tab:
    """One page in front of one person. `complaints`: what the console said that should not be there."""

    def __init__(self, browser: Browser, session: str, context: str, address: str) -> None:
        self._browser = browser
        self._session = session
        self.context = context
        self.address = address
        self.complaints: list[str] = []
        self.sizes: dict[str, int] = {}

    def hear(self, method: str, parameters: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.complaints.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning", "assert"}:
            self.complaints.append(" ".join(str(part.get("value", part)) for part in parameters["args"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in {"error", "warning"}:
            entry = parameters["entry"]
            self.complaints.append(f"{entry['text']} {entry.get('url', '')}")
        elif method == "Network.loadingFinished":
            self.sizes[parameters["requestId"]] = int(parameters["encodedDataLength"])

    def forgive(self, *words: str) -> None:
        """Complaints that belong to what was just tried: a browser notes each answer that is an error."""
        self.complaints = [one for one in self.complaints if not any(word in one for word in words)]

    async def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return await self._browser.ask(method, self._session, **parameters)

    async def close(self) -> None:
        await self._browser.close(self.context)

    async def sign_in(self, token: str) -> None:
        """As Clerk does it: the session cookie is there before the page is."""
        await self.ask("Network.setCookie", name="__session", value=token, url=self.address, httpOnly=True)

    async def go(self, path: str) -> None:
        """Where it leads is for the test to wait for."""
        await self.ask("Page.navigate", url=self.address + path)

    async def open(self, path: str) -> None:
        await self.go(path)
        await self.loaded(path)

    async def loaded(self, path: str) -> None:
        """Until the page at `path` (or one that it leads to, when that is empty) is there, with its scripts run."""
        wanted = f"location.href.startsWith({json.dumps(self.address + path)})" if path else "true"
        await until(lambda: self.run(f"document.readyState === 'complete' && {wanted}"))

    async def run(self, expression: str) -> Any:
        """Raises AssertionError with what the page threw."""
        answer = await self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def text(self, selector: str = "body") -> str:
        """What a person can read there; empty where there is no such element."""
        found: str = await self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''")
        return found

    async def count(self, selector: str) -> int:
        """How many of them can be seen."""
        visible = "(one) => one.checkVisibility()"
        found: int = await self.run(f"[...document.querySelectorAll({json.dumps(selector)})].filter({visible}).length")
        return found

    async def sees(self, words: str, selector: str = "body") -> None:
        try:
            await until(lambda: self._reads(words, selector), seconds=10)
        except TimeoutError:
            raise AssertionError(f"{words!r} is not in {await self.text(selector)!r}") from None

    async def misses(self, words: str, selector: str = "body") -> None:
        try:
            await until(lambda: self._lacks(words, selector), seconds=10)
        except TimeoutError:
            raise AssertionError(f"{words!r} is still in {await self.text(selector)!r}") from None

    async def _reads(self, words: str, selector: str) -> bool:
        return words in await self.text(selector)

    async def _lacks(self, words: str, selector: str) -> bool:
        return not await self._reads(words, selector)

    async def click(self, selector: str) -> None:
        """With the mouse, in the middle of the first such element that can be seen."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].find((one) => one.checkVisibility())"
        await until(lambda: self.run(f"document.readyState === 'complete' && {SETTLED} && !!({found})"), seconds=10)
        place = await self.run(
            f"(() => {{ const one = {found}; one.scrollIntoView({{block: 'center'}});"
            " const at = one.getBoundingClientRect(); return [at.x + at.width / 2, at.y + at.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.ask("Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1)

    async def fill(self, selector: str, words: str) -> None:
        """In the place of what is there."""
        await self.run(f"document.querySelector({json.dumps(selector)}).select()")
        await self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        await self.type(words)

    async def type(self, words: str) -> None:
        await self.ask("Input.insertText", text=words)

    async def press(self, key: str, *, ctrl: bool = False) -> None:
        await until(lambda: self.run(SETTLED))
        code = KEYS.get(key, ord(key[0].upper()))
        shared = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 2 if ctrl else 0}
        printed = {"text": key} if len(key) == 1 and not ctrl else {"text": "\r"} if key == "Enter" else {}
        await self.ask("Input.dispatchKeyEvent", type="keyDown", **shared, **printed)
        await self.ask("Input.dispatchKeyEvent", type="keyUp", **shared)

    async def size(self, width: int, height: int, *, phone: bool = False) -> None:
        await self.ask(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone
        )

    async def scheme(self, name: str) -> None:
        """dark or light."""
        await self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    async def network(self, *, on: bool) -> None:
        await self.ask(
            "Network.emulateNetworkConditions", offline=not on, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    async def picture(self, name: str) -> Path:
        """A screenshot, kept as build/screenshots/NAME.png."""
        taken = await self.ask("Page.captureScreenshot", format="png")
        return _kept(name, base64.b64decode(taken["data"]))

    async def accessible(self) -> None:
        """No violation that axe-core calls serious or critical, in what is on the page now."""
        await self.run(AXE.read_text(encoding="utf-8"))
        await self.run("Promise.all(document.getAnimations().map((one) => one.finished.catch(() => null)))")
        found = await self.run("axe.run(document, {resultTypes: ['violations']}).then((seen) => seen.violations)")
        grave = [
            (one["id"], one["help"], [node["target"] for node in one["nodes"]][:5])
            for one in found
            if one["impact"] in WORST
        ]
        assert not grave, grave


def _kept(name: str, picture: bytes) -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    path.write_bytes(picture)
    return path


@asynccontextmanager
async def browsing(port: str) -> AsyncIterator[Browser]:
    async with httpx.AsyncClient(trust_env=False) as client:
        told = (await client.get(f"http://127.0.0.1:{port}/json/version")).json()
    async with connect(told["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
        browser = Browser(socket)
        listening = asyncio.create_task(browser.listen())
        try:
            yield browser
        finally:
            listening.cancel()
