"""Kajabi's public API on a loopback socket, as it is documented: OAuth by client credentials, JSON:API, paging, 429.

A thread with a plain HTTP server, so that what is tested goes through real HTTP.
"""

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit

MEDIA_TYPE = "application/vnd.api+json"


@dataclass
class StandIn:
    """`tags` by id, `contacts` by id as (e-mail, tag ids). `refusals`, as (status, headers), are answered first."""

    tags: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, tuple[str | None, set[str]]] = field(default_factory=dict)
    refusals: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    filters: bool = True
    tells_tags: bool = True
    credentials: tuple[str, str] = ("client", "secret")
    token_lifetime: int = 3600
    largest_page: int = 100
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"api": self}))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def environment(self) -> dict[str, str]:
        client_id, secret = self.credentials
        return {"KAJABI_API_URL": self.url, "KAJABI_CLIENT_ID": client_id, "KAJABI_CLIENT_SECRET": secret}

    def issue(self, form: dict[str, str]) -> tuple[int, Any]:
        client_id, secret = self.credentials
        expected = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        if form != expected:
            return 401, {"error": "invalid_client"}
        self.tokens.append(f"token-{len(self.tokens) + 1}")
        return 200, {"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": self.token_lifetime}

    def answer(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path == "/v1/contact_tags":
            return self._page(path, query, [_resource(i, "contact_tags", {"name": n}) for i, n in self.tags.items()])
        if path == "/v1/contacts":
            wanted = query.get("filter[has_tag_id]") if self.filters else None
            shown = [i for i, (_, tags) in self.contacts.items() if wanted is None or wanted in tags]
            return self._page(path, query, [self._contact(i) for i in shown])
        contact_id, _, rest = path.removeprefix("/v1/contacts/").partition("/")
        if rest == "relationships/tags" and contact_id in self.contacts:
            return 200, {"data": self._tags(contact_id)}
        return 404, {"errors": [{"status": "404", "title": "Not found"}]}

    def _contact(self, contact_id: str) -> dict[str, Any]:
        tags = {"data": self._tags(contact_id)} if self.tells_tags else {"links": {"self": "..."}}
        resource = _resource(contact_id, "contacts", {"name": "Somebody", "email": self.contacts[contact_id][0]})
        return {**resource, "relationships": {"site": {"data": {"id": "1", "type": "sites"}}, "tags": tags}}

    def _tags(self, contact_id: str) -> list[dict[str, str]]:
        return [{"id": tag, "type": "contact_tags"} for tag in sorted(self.contacts[contact_id][1])]

    def _page(self, path: str, query: dict[str, str], resources: list[Any]) -> tuple[int, Any]:
        number, size = int(query["page[number]"]), min(int(query["page[size]"]), self.largest_page)
        start, pages = (number - 1) * size, -(-len(resources) // size)
        links = {"self": f"https://api.kajabi.com{path}?page[number]={number}"}
        if number < pages:
            links["next"] = f"https://elsewhere.example{path}?page[number]={number + 1}"  # not to be followed
        meta = {"total_pages": pages, "total_count": len(resources), "current_page": number}
        return 200, {"data": resources[start : start + size], "links": links, "meta": meta}


def _resource(resource_id: str, kind: str, attributes: dict[str, Any]) -> dict[str, Any]:
    return {"id": resource_id, "type": kind, "attributes": attributes}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: StandIn

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if self._is_refused():
            return
        ok = self.path == "/v1/oauth/token" and self.headers["content-type"] == "application/x-www-form-urlencoded"
        self._answer(*(self.api.issue(form) if ok else (404, {})))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        authorization = self.headers.get("authorization", "")
        self.api.requests.append((parts.path, authorization, query))
        if self._is_refused():
            return
        if not self.api.tokens or authorization != f"Bearer {self.api.tokens[-1]}":
            self._answer(401, {"errors": [{"status": "401"}]})
        elif self.headers.get("accept") != MEDIA_TYPE:
            self._answer(406, {})
        else:
            self._answer(*self.api.answer(parts.path, query))

    def _is_refused(self) -> bool:
        if not self.api.refusals:
            return False
        status, headers = self.api.refusals.pop(0)
        self._answer(status, {"errors": []}, headers)
        return True

    def _answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": MEDIA_TYPE, **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        return
