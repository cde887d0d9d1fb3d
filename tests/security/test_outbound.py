"""Addresses that people give are shown, never visited: no request of theirs makes the service call anybody."""

import socket
from typing import Any

import httpx
import pytest
from tests.security.world import World
from tests.support import tokens
from tests.support.payloads import payload_for

INSIDE = (
    "https://127.0.0.1:9/latest",
    "https://169.254.169.254/latest/meta-data/",
    "https://[::1]:9/",
    "https://localhost:9/",
    "https://metadata.google.internal/",
)
FORBIDDEN = (
    "http://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_X",
    "javascript:alert(1)",
    "ftp://x.test/",
)


@pytest.fixture
def visited(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every host that anybody in this process looks up or connects to, but for the database's socket."""
    calls: list[Any] = []
    lookup, connect = socket.getaddrinfo, socket.socket.connect

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(host)
        return lookup(host, *arguments, **options)

    def connecting(self: socket.socket, address: Any) -> Any:
        if self.family != socket.AF_UNIX:
            calls.append(address)
        return connect(self, address)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", connecting)
    return calls


async def test_no_address_that_somebody_gives_is_visited(
    world: World, client: httpx.AsyncClient, visited: list[Any]
) -> None:
    teacher, admin, reviewer = world.headers("owner"), world.headers("admin"), world.headers("reviewer")
    for number, url in enumerate(INSIDE):
        picture = tokens.bearer(f"guest_{number}", picture=url)
        assert (await client.get("/api/me", headers=picture)).status_code == 200
        payload = payload_for("LEARN", certificateUrl=url)
        await client.post("/api/submissions", json={"activityCode": "LEARN", "payload": payload}, headers=picture)
        badge = {"code": f"SSRF_{number}", "name": "x", "iconUrl": url}
        await client.post("/api/admin/badges", json=badge, headers=admin)
    queue = (await client.get("/api/review/queue", headers=reviewer)).json()["items"]
    assert len(queue) == len(INSIDE), "the addresses were taken: what follows would visit them"
    for item in queue:
        submission = item["submission"]["id"] if "submission" in item else item["id"]
        answer = await client.post(f"/api/review/{submission}/approve", json={}, headers=reviewer)
        assert answer.status_code == 200, answer.text
    for path in ("/api/badges", "/api/leaderboard", "/api/profiles/owner"):
        assert (await client.get(path)).status_code == 200
    assert (await client.get("/api/me/export", headers=teacher)).status_code == 200
    assert visited == []


async def test_addresses_of_other_kinds_are_refused(world: World, client: httpx.AsyncClient) -> None:
    admin, teacher = world.headers("admin"), world.headers("owner")
    for url in FORBIDDEN:
        answer = await client.post("/api/admin/badges", json={"code": "X1", "name": "x", "iconUrl": url}, headers=admin)
        assert answer.status_code == 422, url
        body = {"activityCode": "LEARN", "payload": payload_for("LEARN", certificateUrl=url)}
        assert (await client.post("/api/submissions", json=body, headers=teacher)).status_code == 422, url
        guest = tokens.bearer("guest", picture=url)
        assert (await client.get("/api/me", headers=guest)).json()["avatarUrl"] is None
    for url in ("https://evil.test/linkedin.com", "https://linkedin.com.evil.test/", "https://linkedin.com@evil.test/"):
        body = {"activityCode": "PRESENT", "payload": payload_for("PRESENT", linkedinUrl=url)}
        assert (await client.post("/api/submissions", json=body, headers=teacher)).status_code == 422, url


def test_the_guard_itself_notices_a_visit(visited: list[Any]) -> None:
    with pytest.raises(OSError, match="refused"), socket.socket() as visitor:
        visitor.connect(("127.0.0.1", 9))
    assert visited == [("127.0.0.1", 9)]
