"""A page of another origin, in a real browser: what it may do is what CORS says and what the browser really sends."""

import functools
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.browser.chromium import PROGRAM, Tab, chromium
from tests.support import tokens
from tests.support.service import Service, running_service
from tests.support.waiting import until

CRON_SECRET = "cron-secret-of-the-browser"

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed (Debian: apt-get install chromium)")


class Pages(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def page_server() -> Iterator[str]:
    """Serves this folder; answers the origin: `localhost`, where the service is `127.0.0.1`, another site as well."""
    handler = functools.partial(Pages, directory=str(Path(__file__).parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def origin() -> Iterator[str]:
    with page_server() as address:
        yield address


@pytest.fixture
def service(app_dsn: str, owner_dsn: str, origin: str, tmp_path: Path) -> Iterator[Service]:
    settings = {"CORS_ORIGINS": origin, "CRON_SECRET": CRON_SECRET, "ATTACHMENT_DIR": str(tmp_path / "evidence")}
    with running_service(Service(app_dsn, owner_dsn, tmp_path / "service.log", settings)) as service:
        yield service


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Tab]:
    async with chromium(tmp_path) as tab:
        yield tab


async def refresh(client: httpx.AsyncClient) -> None:
    answer = await client.post("/api/cron/refresh-analytics", headers={"Authorization": f"Bearer {CRON_SECRET}"})
    assert answer.status_code == 200, answer.text


async def test_an_educator_signs_in_submits_uploads_and_sees_the_board_move(
    tab: Tab, service: Service, origin: str, make_user: Callable[..., Awaitable[Any]]
) -> None:
    reviewer = await make_user(role="REVIEWER")
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        await refresh(client)
        await tab.open(f"{origin}/page.html")
        me = await tab.run(f"signIn({json.dumps(service.url)}, {json.dumps(tokens.token('user_browser'))})")
        assert me["id"] == "user_browser"
        assert await tab.run("listen()")
        await until(lambda: tab.run("seen.length === 1"))

        made = await tab.run("submit()")
        assert (made["requestId"], made["put"], made["attached"]) == ("from-the-page", 200, "certificate.pdf")
        assert made["downloaded"][:2] == [200, True]
        assert made["downloaded"][2].startswith("attachment")
        assert await tab.run("refusal()") == {"status": 401, "code": "UNAUTHENTICATED"}

        address, headers = f"/api/review/{made['id']}/approve", tokens.bearer(reviewer.id)
        approved = await client.post(address, json={"version": 2}, headers=headers)
        assert approved.status_code == 200, approved.text
        await refresh(client)
        await until(lambda: tab.run("seen.length === 2"))

        before, after = await tab.run("seen")
        board = await tab.run("board()")
        assert after["version"] != before["version"]
        assert board["version"] == after["version"]
        assert [item["handle"] for item in board["items"]] == [me["handle"]]
        assert (bool(board["etag"]), board["again"]) == (True, 304)


async def test_a_page_of_an_origin_that_nobody_allowed_reads_nothing(tab: Tab, service: Service) -> None:
    with page_server() as stranger:
        await tab.open(f"{stranger}/page.html")
        sign_in = f"signIn({json.dumps(service.url)}, {json.dumps(tokens.token('user_browser'))})"
        assert await tab.run(f"{sign_in}.catch((error) => error.name)") == "TypeError"
        assert await tab.run("board().catch((error) => error.name)") == "TypeError"
        assert await tab.run("listen().catch((what) => what)") == "stream"
