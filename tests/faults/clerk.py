"""A stand-in for Clerk on loopback: the published keys, and people that are not known. `down` is a dead host."""

# ruff: noqa: ASYNC110 - what other processes do gives no event to wait for

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import jwt
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from tests.support import tokens
from tests.support.service import free_port


@dataclass
class ClerkStandIn:
    port: int
    down: bool = True
    asked: int = 0

    @property
    def settings(self) -> dict[str, str]:
        """Of a service that asks here for keys and people."""
        url = f"http://127.0.0.1:{self.port}"
        return {
            "CLERK_JWT_KEY": "",
            "CLERK_JWKS_URL": f"{url}/.well-known/jwks.json",
            "CLERK_API_URL": f"{url}/v1",
            "CLERK_SECRET_KEY": "sk_test_of_the_faults_0123456789",
        }

    async def _keys(self, _request: Request) -> Response:
        self.asked += 1
        if self.down:
            return Response(status_code=502)
        key = jwt.algorithms.RSAAlgorithm.to_jwk(tokens.private_key().public_key(), as_dict=True)
        return JSONResponse({"keys": [{**key, "kid": tokens.KEY_ID, "alg": "RS256", "use": "sig"}]})

    async def _person(self, _request: Request) -> Response:
        return Response(status_code=502 if self.down else 404)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ClerkStandIn"]:
        routes = [Route("/.well-known/jwks.json", self._keys), Route("/v1/users/{id}", self._person)]
        config = uvicorn.Config(Starlette(routes=routes), port=self.port, log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
        task = asyncio.create_task(server._serve())
        while not server.started:
            await asyncio.sleep(0.01)
        try:
            yield self
        finally:
            server.should_exit = True
            await task


def stand_in() -> ClerkStandIn:
    return ClerkStandIn(free_port())
