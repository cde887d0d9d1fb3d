"""Traces by OpenTelemetry, for who asks for them: `pip install 'elevate-api[otel]'` and OTEL_EXPORTER_OTLP_ENDPOINT.

Without the setting nothing of it is imported. Spans carry templates, statements without their values, and durations:
no query, no address of a client, and nothing of the routes whose paths may hold a secret.
"""

from collections.abc import Callable
from typing import Any

import structlog
from fastapi import FastAPI
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext

from elevate_api.kit.db import Database

EXCLUDED = "/health/,/metrics,/api/webhooks/"
PERSONAL = ("http.url", "http.target", "url.full", "url.query", "url.path", "net.peer.ip", "client.address")
"""Attributes by which the instrumentation would tell the whole URL and who called (old and new conventions)."""

STATEMENT_CHARACTERS = 2000
log = structlog.get_logger(__name__)


def trace(app: FastAPI, database: Database, endpoint: str | None, *, exporter: Any = None) -> Callable[[], None]:
    """Have requests and statements traced to `endpoint` (OTLP over HTTP); answers what ends it.

    `exporter` takes the place of the one that sends. Where the packages are not installed the log says so.
    """
    if endpoint is None:
        return _nothing
    try:
        return _instrument(app, database, endpoint, exporter)
    except ImportError as missing:
        log.warning("tracing_not_installed", missing=missing.name, install="pip install 'elevate-api[otel]'")
        return _nothing


def _nothing() -> None:
    pass


def _instrument(app: FastAPI, database: Database, endpoint: str, exporter: Any) -> Callable[[], None]:
    # ruff: noqa: PLC0415 - an optional dependency, which costs nothing while it is not asked for
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=Resource.create({"service.name": "elevate-api"}))
    sender = exporter or OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(sender))
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=provider,
        excluded_urls=EXCLUDED,
        server_request_hook=_forget,
        exclude_spans=["receive", "send"],
    )
    _trace_statements(database, provider.get_tracer(__name__))
    end: Callable[[], None] = provider.shutdown
    return end


def _trace_statements(database: Database, tracer: Any) -> None:
    """A span for each statement. Ours, as the published instrumentation does not know SQLAlchemy 2.1."""
    from opentelemetry.trace import SpanKind

    def begin(_connection: Any, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
        words = statement.split(maxsplit=1)
        span = tracer.start_span(words[0].upper() if words else "statement", kind=SpanKind.CLIENT)
        span.set_attribute("db.system.name", "postgresql")
        span.set_attribute("db.query.text", statement[:STATEMENT_CHARACTERS])
        context.elevate_span = span

    def end(_connection: Any, _cursor: Any, _statement: str, _values: Any, context: Any, _many: bool) -> None:
        context.elevate_span.end()

    def fail(failure: ExceptionContext) -> None:
        span = getattr(failure.execution_context, "elevate_span", None)
        if span is not None:
            span.set_attribute("error.type", type(failure.original_exception).__name__)
            span.end()

    engine = database.engine.sync_engine
    for name, listener in (("before_cursor_execute", begin), ("after_cursor_execute", end), ("handle_error", fail)):
        event.listen(engine, name, listener)


def _forget(span: Any, _scope: dict[str, Any]) -> None:
    if span is not None and span.is_recording():
        for name in PERSONAL:
            if name in span.attributes:
                span.set_attribute(name, "")
