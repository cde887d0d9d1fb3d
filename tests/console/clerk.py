"""A stand-in for Clerk's Frontend API: sessions that it gives tokens for, to whoever brings its client's cookie."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.support import tokens

CLIENT = "__client=of-this-browser"


class Clerk:
    """`sessions`: user by session id, for as long as they last. `asked`: what was asked, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sessions: dict[str, str] = {}
        self.seconds = 60
        self.down = False
        self.claims: dict[str, Any] = {}
        """Put into the tokens beside what belongs there."""
        self.asked: list[str] = []

    def token(self, sid: str, user_id: str, **claims: Any) -> str:
        now = int(time.time())
        own = {"iss": self.url, "sid": sid, "iat": now, "nbf": now, "exp": now + self.seconds}
        return tokens.token(user_id, **own | self.claims | claims)

    def answer(self, method: str, path: str, form: dict[str, list[str]]) -> tuple[int, dict[str, Any]]:
        if method == "GET" and path == "/v1/client":
            sessions = [{"id": sid, "status": "active"} for sid in self.sessions]
            last = sessions[-1]["id"] if sessions else None
            return 200, {"response": {"object": "client", "sessions": sessions, "last_active_session_id": last}}
        *_, sid, action = path.split("/")
        if method != "POST" or sid not in self.sessions:
            return 404, {"errors": [{"code": "resource_not_found"}]}
        if action == "remove":
            del self.sessions[sid]
            return 200, {"response": {"object": "session", "id": sid, "status": "removed"}}
        assert form["organization_id"] == [""]
        return 200, {"object": "token", "jwt": self.token(sid, self.sessions[sid])}


def handler_of(clerk: Clerk) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
            clerk.asked.append(f"{self.command} {parts.path.removeprefix('/v1/client')}")
            assert "__clerk_api_version" in parse_qs(parts.query)
            if clerk.down:
                self._send(503, {})
            elif CLIENT not in self.headers.get("cookie", ""):
                self._send(401, {"errors": [{"code": "authentication_invalid"}]})
            else:
                self._send(*clerk.answer(self.command, parts.path, parse_qs(body, keep_blank_values=True)))

        def _send(self, status: int, document: dict[str, Any]) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Access-Control-Allow-Origin", self.headers["origin"])
            self.send_header("Access-Control-Allow-Credentials", "true")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


@contextmanager
def standing_in() -> Iterator[Clerk]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    clerk = Clerk(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = handler_of(clerk)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield clerk
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
