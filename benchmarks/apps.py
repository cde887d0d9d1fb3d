"""Baselines over HTTP, each on the server that the service runs on: ``python -m benchmarks.apps NAME PORT``.

They take what they need from the environment: BENCHMARK_REPLY, the file with an answer that `bare` gives to everything.
"""

import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Request, Response

from benchmarks.client import decoded
from elevate_api.app import create_app
from elevate_api.asgi import spare_the_collector
from elevate_api.auth.caller import VerifiedClaims, verified_claims
from elevate_api.auth.setup import build_verifier
from elevate_api.cli.listening import options
from elevate_api.config import Settings
from elevate_api.kit.logging import configure
from elevate_api.kit.routing import Router

Send = Callable[[dict[str, Any]], Awaitable[None]]


def _reply() -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    kept = json.loads(Path(os.environ["BENCHMARK_REPLY"]).read_text(encoding="utf-8"))
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in kept["headers"]]
    # The server adds these by itself, to every answer of every application.
    headers = [(name, value) for name, value in headers if name not in (b"date", b"server")]
    return kept["status"], headers, decoded(kept["body"])


def bare() -> Any:
    """No framework: the same bytes with the same headers for every request, a 304 for one with If-None-Match."""
    status, headers, body = _reply()
    start = {"type": "http.response.start", "status": status, "headers": headers}
    content = {"type": "http.response.body", "body": body}

    async def app(scope: dict[str, Any], _receive: Any, send: Send) -> None:
        if scope["type"] == "http":
            await send(start)
            await send(content)

    return app


def signed_in() -> FastAPI:
    """A FastAPI route that verifies the caller's token as the service does, and answers fixed bytes."""
    settings = Settings.load(None)
    status, headers, body = _reply()
    kept = {name.decode(): value.decode() for name, value in headers if name != b"content-length"}
    app = FastAPI()
    app.state.settings = settings
    app.state.verifier = build_verifier(settings)

    @app.get("/{path:path}")
    async def read(_request: Request, _caller: Annotated[Any, Depends(verified_claims)]) -> Response:
        return Response(body, status, kept)

    return app


def signed_in_service() -> FastAPI:
    """The service with all of its layers and one more route, which verifies the caller's token and asks nobody else."""
    settings = Settings.load(None)
    status, headers, body = _reply()
    kept = {name.decode(): value.decode() for name, value in headers if name in (b"content-type", b"cache-control")}
    configure(
        settings.app.log_level, json=settings.app.production
    )  # as `elevate serve`; without it every request would be printed
    app = create_app(settings)

    async def read(_claims: VerifiedClaims) -> Response:
        return Response(body, status, kept)

    router = Router()
    router.add_api_route("/baseline", read, response_model=dict[str, Any])
    app.include_router(router)
    return app


APPS: dict[str, Callable[[], Any]] = {"bare": bare, "signed_in": signed_in, "signed_in_service": signed_in_service}


def main(name: str, port: int) -> None:
    from benchmarks import naive  # noqa: PLC0415 - imports the product's models, which the others do without

    app = {**APPS, **naive.APPS}[name]()
    spare_the_collector()  # as the service does
    uvicorn.run(app, host="127.0.0.1", port=port, lifespan="off", **options())


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
