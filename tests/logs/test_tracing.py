"""Traces where they are asked for, nothing where they are not."""

import subprocess
import sys
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.support import tokens
from tests.support.factories import Factory

from elevate_api.app import create_app
from elevate_api.config import Settings
from elevate_api.kit.db import Database
from elevate_api.tracing import trace

UNASKED = (
    "import sys, elevate_api.app; "
    "sys.exit(bool({'opentelemetry.sdk', 'opentelemetry.instrumentation'} & set(sys.modules)))"
)


def test_without_the_setting_nothing_is_imported() -> None:
    assert subprocess.run([sys.executable, "-c", UNASKED], check=False).returncode == 0


def test_asked_for_but_not_installed_it_says_so_and_goes_on(
    app: FastAPI, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter", None)
    trace(app, database, "http://127.0.0.1:9")()


async def test_a_trace_tells_route_and_statements_and_nothing_personal(
    settings: Settings, database: Database, factory: Factory
) -> None:
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http")
    memory = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    exporter: Any = memory.InMemorySpanExporter()
    user = await factory.user(name="Siti Rahma")
    app = create_app(settings, database)
    end = trace(app, database, "http://127.0.0.1:9", exporter=exporter)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client,
    ):
        signed = tokens.bearer(user.id)
        assert (await client.get("/api/leaderboard?search=Rahma", headers=signed)).status_code == 200
        assert (await client.post("/api/webhooks/kajabi/token-in-the-path", json={})).status_code == 401
        assert (await client.get("/health/live")).status_code == 200
    end()

    spans = exporter.get_finished_spans()
    names = [span.name for span in spans]
    assert "GET /api/leaderboard" in names
    assert any(name.upper().startswith("SELECT") for name in names)
    told = repr([(span.name, dict(span.attributes)) for span in spans])
    for secret in ("Rahma", "token-in-the-path", signed["Authorization"], "/health/live"):
        assert secret not in told
