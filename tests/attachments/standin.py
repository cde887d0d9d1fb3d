"""A stand-in for Supabase Storage on loopback: the documented protocol over real HTTP, and nothing of ours."""

import asyncio
import base64
import json
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

BUCKET = "evidence"


def legacy_key() -> str:
    """What a service_role key looks like: three parts of a JWT."""
    parts = ({"alg": "HS256", "typ": "JWT"}, {"role": "service_role", "iss": "supabase"})
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + ".c2ln"


OPAQUE_KEY = "sb_secret_0123456789abcdef0123456789"
LEGACY_KEY = legacy_key()


@dataclass
class StandIn:
    """The service's state; `objects` is what it keeps, `down` makes it answer 500."""

    url: str = ""
    objects: dict[str, tuple[bytes, str, datetime]] = field(default_factory=dict)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    down: bool = False
    seen: list[tuple[str, str]] = field(default_factory=list)

    def application(self) -> Starlette:
        root = "/storage/v1/object"
        return Starlette(
            routes=[
                Route(f"{root}/upload/sign/{{bucket}}/{{path:path}}", self._sign_upload, methods=["POST"]),
                Route(f"{root}/upload/sign/{{bucket}}/{{path:path}}", self._upload, methods=["PUT"]),
                Route(f"{root}/sign/{{bucket}}/{{path:path}}", self._sign_download, methods=["POST"]),
                Route(f"{root}/sign/{{bucket}}/{{path:path}}", self._download, methods=["GET"]),
                Route(f"{root}/list/{{bucket}}", self._list, methods=["POST"]),
                Route(f"{root}/{{bucket}}", self._delete, methods=["DELETE"]),
                Route(f"{root}/{{bucket}}/{{path:path}}", self._read, methods=["GET"]),
            ]
        )

    def _refusal(self, request: Request) -> Response | None:
        """The gateway: an opaque key counts in `apikey`, and as bearer only where both are the same."""
        self.seen.append((request.method, request.url.path))
        if self.down:
            return _error(500, "InternalError")
        if request.path_params["bucket"] != BUCKET:
            return _error(404, "Bucket not found")
        apikey, bearer = request.headers.get("apikey"), request.headers.get("authorization", "")
        known = apikey in {OPAQUE_KEY, LEGACY_KEY} and bearer == f"Bearer {apikey}"
        return None if known else _error(403, "Unauthorized")

    def _token(self, operation: str, path: str) -> str:
        token = secrets.token_urlsafe(12)
        self.tokens[token] = (operation, path)
        return token

    async def _sign_upload(self, request: Request) -> Response:
        path = request.path_params["path"]
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if path in self.objects:
            return _error(409, "Duplicate")
        token = self._token("put", path)
        return JSONResponse({"url": f"/object/upload/sign/{BUCKET}/{path}?token={token}", "token": token})

    async def _upload(self, request: Request) -> Response:
        path = request.path_params["path"]
        if self.tokens.get(request.query_params.get("token", "")) != ("put", path):
            return _error(400, "InvalidSignature")
        if path in self.objects and request.headers.get("x-upsert") != "true":
            return _error(409, "Duplicate")
        kind = request.headers["content-type"]
        self.objects[path] = (await request.body(), kind, datetime.now(UTC))
        return JSONResponse({"Key": f"{BUCKET}/{path}"})

    async def _sign_download(self, request: Request) -> Response:
        path = request.path_params["path"]
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if path not in self.objects:
            return _error(404, "not_found")
        assert 0 < (await request.json())["expiresIn"] <= 3600
        return JSONResponse({"signedURL": f"/object/sign/{BUCKET}/{path}?token={self._token('get', path)}"})

    async def _download(self, request: Request) -> Response:
        path = request.path_params["path"]
        if self.tokens.get(request.query_params.get("token", "")) != ("get", path):
            return _error(400, "InvalidSignature")
        content, kind, _ = self.objects[path]
        name = request.query_params.get("download", "")
        return Response(content, media_type=kind, headers={"x-download": name})

    async def _read(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        found = self.objects.get(request.path_params["path"])
        return _error(404, "not_found") if found is None else Response(found[0], media_type=found[1])

    async def _delete(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        gone = [path for path in (await request.json())["prefixes"] if self.objects.pop(path, None)]
        return JSONResponse([{"name": path} for path in gone])

    async def _list(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        wanted = await request.json()
        prefix = wanted["prefix"].rstrip("/") + "/"
        inside = [path.removeprefix(prefix) for path in sorted(self.objects) if path.startswith(prefix)]
        items: list[dict[str, Any]] = [
            {"name": name, "id": name, "created_at": self.objects[prefix + name][2].isoformat(), "metadata": {}}
            for name in inside
            if "/" not in name
        ]
        items += [{"name": name, "id": None} for name in sorted({n.split("/")[0] for n in inside if "/" in n})]
        return JSONResponse(items[wanted["offset"] : wanted["offset"] + wanted["limit"]])

    def age(self, path: str, by: timedelta) -> None:
        content, kind, at = self.objects[path]
        self.objects[path] = (content, kind, at - by)


def _error(status: int, error: str) -> Response:
    """As the service says it: most refusals are 400 with the real status in the body."""
    shown = status if status >= 500 else 400
    return JSONResponse({"statusCode": str(status), "error": error, "message": error}, status_code=shown)


@asynccontextmanager
async def running() -> AsyncIterator[StandIn]:
    standin = StandIn()
    listening = socket.create_server(("127.0.0.1", 0))
    standin.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    config = uvicorn.Config(standin.application(), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield standin
    finally:
        server.should_exit = True
        await serving
        listening.close()
