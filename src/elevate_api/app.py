"""The application, assembled."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import Receive, Scope, Send

from elevate_api import locales
from elevate_api.addresses import limits_of, replica_address, service_address
from elevate_api.alert_sources import alert_sources
from elevate_api.alerts import jobs as alerts
from elevate_api.alerts.monitor import AlertMonitor
from elevate_api.alerts.recorder import Recorder
from elevate_api.api import CONSOLE_ROUTERS, MANUAL_ROUTERS, ROUTERS
from elevate_api.attachments import jobs as attachments
from elevate_api.attachments.local import PATH as FILES
from elevate_api.attachments.schemas import MAX_BYTES
from elevate_api.attachments.setup import build_evidence
from elevate_api.auth.setup import build_verifier
from elevate_api.config import Settings
from elevate_api.constraints import CONSTRAINTS
from elevate_api.exports.places import Places
from elevate_api.features import Switches, document_features, refuse_disabled
from elevate_api.health.service import HealthMonitor
from elevate_api.kajabi import hooks as kajabi
from elevate_api.kit.db import Address, Database
from elevate_api.kit.memory import Memory
from elevate_api.kit.middleware import MEBIBYTE, Guard, Limits, RequestContext, Shedding
from elevate_api.kit.problems import RateLimited, document_problems, install
from elevate_api.kit.replica import ReadDatabase
from elevate_api.kit.routing import Shortcuts, before_all
from elevate_api.leaderboards.feed import BoardFeed
from elevate_api.leaderboards.ladder import Ladders
from elevate_api.leaderboards.rank import Standings
from elevate_api.limits import build_limiter, limit
from elevate_api.metrics import requests
from elevate_api.metrics.figures import Figures
from elevate_api.metrics.process import Sampler
from elevate_api.ops.migrations import pending_count
from elevate_api.scheduler import Scheduler, declared_jobs
from elevate_api.tracing import trace
from elevate_api.users.clerk import build_directory
from elevate_api.users.guards import document_guards
from elevate_api.users.hooks import UserHooks

DESCRIPTION = """
The service behind the LEAPS Tracker: educators submit evidence, reviewers decide, points go to an append-only ledger,
leaderboards and analytics come from views that are refreshed beside their readers.

Errors are `application/problem+json` (RFC 9457) with a stable `code`. Lists are paged by cursor. POSTs that create
accept `Idempotency-Key`. Titles, details and messages of errors are in English or Indonesian by `Accept-Language`.
"""
EXPOSED_HEADERS = [
    "Content-Disposition", "ETag", "Idempotency-Replayed", "Link", "Location", "RateLimit", "RateLimit-Policy",
    "Retry-After", "X-Request-ID",
]  # fmt: skip
NO_TELEMETRY = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
FOREIGN: dict[str, Any] = {"docs_url": None, "redoc_url": None, "telemetry": NO_TELEMETRY}
"""Switched off. The framework's pages have their scripts from another host; /docs is ours (`manual`). Its telemetry
would tell whole paths, secrets among them, and looks at the environment anew for each request; ours is `tracing` and
`metrics`."""
WEBHOOKS = "/api/webhooks/"
CONSOLE = "/console/"
KAJABI = f"{WEBHOOKS}kajabi"
UNCOUNTED = ("/health/", "/api/health/", "/metrics", "/docs", "/openapi.json", "/console", KAJABI)
"""Answered however many wait: they need no connection of the pool. The calls that a page makes are counted, and so are
Kajabi's deliveries, which wait apart (`Admission.deliver`)."""
RESERVED = (WEBHOOKS, "/api/cron/", "/api/leaderboard", "/api/stats", "/api/activities", "/api/badges")
"""Have room kept for them: the public board, Clerk's deliveries, and what runs by the clock."""
REMEMBERED = ("/api/leaderboard", "/api/stats", "/api/activities", "/api/badges")
"""Public reads that are answered from memory."""
FORGOTTEN_AFTER = ("/api/me", "/api/admin/users", "/api/admin/badges")
"""Writes that show on the board or in a catalogue before any total changes."""
EXPORTS_AT_ONCE, OWN_EXPORTS_AT_ONCE = 3, 5
"""Of a process, for administrators and for everybody's own data; each holds a connection beside the pool."""


class Service(FastAPI):
    """The application behind its memory, which answers before any layer of ours or the framework's is gone through."""

    memory: Memory | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        memory = self.memory
        if memory is None:
            await super().__call__(scope, receive, send)
            return
        ready = memory.find(scope)
        if ready is not None:
            await send(ready[0])
            await send(ready[1])
            return
        scope["app"] = self
        await memory.make(super().__call__, scope, receive, send)


def create_app(settings: Settings, database: Database | None = None) -> FastAPI:
    """Build the service. Nothing is connected before it starts; raises SettingsError for settings that cannot work.

    `database` stands in for the one that the settings name.
    """
    app = Service(
        title="Elevate API",
        version="1.0.0",
        description=DESCRIPTION,
        lifespan=lifespan,
        **FOREIGN,
        redirect_slashes=False,  # a redirect would be built from the Host header
    )
    before_all(app, limit, refuse_disabled)
    app.state.settings = settings
    app.state.constraints = CONSTRAINTS
    app.state.database = database or open_database(settings)
    app.state.read_database = open_read_database(settings, app.state.database)
    app.state.verifier = build_verifier(settings)
    app.state.directory = build_directory(settings.clerk)
    app.state.user_hooks = UserHooks()
    kajabi.install(app.state.user_hooks, settings.kajabi.learn_tags)
    app.state.switches = Switches(app.state.database)
    app.state.rate_limiter = build_limiter(settings, app.state.database.address)
    _publish(app, settings)
    app.state.evidence = build_evidence(settings)
    app.state.exports, app.state.own_exports = Places(EXPORTS_AT_ONCE), Places(OWN_EXPORTS_AT_ONCE)
    _watch(app, settings)
    jobs = [
        *declared_jobs(settings),
        *attachments.jobs(app.state.evidence.storage),
        *alerts.jobs(settings.alerts, app.state.alerts),
    ]
    app.state.scheduler = Scheduler(app.state.database, jobs) if settings.scheduler.enabled else None
    app.state.sampler = Sampler(app.state.database, app.state.scheduler)
    app.state.health = HealthMonitor(
        app.state.database, app.state.scheduler, stale_seconds=settings.scheduler.stale_seconds
    )
    _add_routes(app, console=settings.console.enabled)
    install(app, CONSTRAINTS)
    locales.install()
    document_problems(app, RateLimited)
    _add_middleware(app, settings)
    app.state.end_traces = trace(app, app.state.database, settings.tracing.endpoint)
    return app


def _publish(app: Service, settings: Settings) -> None:
    """What the public board needs beside the database: who notices its changes, and what is kept until then."""
    app.state.watch_database = _pool(settings, app.state.database.address, size=1)
    app.state.board_feed = BoardFeed(app.state.watch_database)
    app.state.ladders = Ladders()
    app.state.standings = Standings(app.state.database, app.state.ladders)
    app.memory = _memory(app.state.board_feed, settings)


def _memory(feed: BoardFeed, settings: Settings) -> Memory | None:
    if not settings.memory.megabytes:
        return None
    memory = Memory(
        REMEMBERED,
        max_bytes=settings.memory.megabytes * MEBIBYTE,
        origins=settings.app.browser_origins,
        forget_after=FORGOTTEN_AFTER,
        wake=feed.wake,
        account=requests.observe_remembered,
    )
    feed.tell(memory.confirm)
    return memory


def _add_routes(app: FastAPI, *, console: bool) -> None:
    document_guards(ROUTERS)
    document_features(ROUTERS)
    for router in (*ROUTERS, *MANUAL_ROUTERS, *(CONSOLE_ROUTERS if console else ())):
        app.include_router(router)
    app.router.middleware_stack = Shortcuts(app.router.middleware_stack)


def open_read_database(settings: Settings, primary: Database) -> ReadDatabase:
    """Where analytics and exports read: a standby when there is one and it follows."""
    address = replica_address(settings)
    replica = None if address is None else _pool(settings, address)
    return ReadDatabase(primary, replica, settings.replica.max_lag_seconds)


def _watch(app: FastAPI, settings: Settings) -> None:
    """What looks at the database beside the pool: alerts, the errors they count, figures for /metrics."""
    app.state.alerts = AlertMonitor(settings, app.state.database, pending_count, alert_sources(settings))
    app.state.recorder = Recorder(app.state.database.address)
    app.state.recorder.listen(app.state.database)
    app.state.figures = Figures(app.state.database.address)


def open_database(settings: Settings) -> Database:
    return _pool(settings, service_address(settings))


def _pool(settings: Settings, address: Address, size: int | None = None) -> Database:
    return Database(
        address,
        pool_size=size or settings.database.max_connections,
        pool_timeout=settings.database.pool_timeout,
        idle_timeout=settings.database.idle_timeout,
        limits=limits_of(settings),
        max_waiting=settings.database.max_waiting,
    )


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Innermost first: Starlette puts each new layer around the ones before."""
    limits = Limits(settings.app.max_body_bytes, {FILES: MAX_BYTES, WEBHOOKS: MEBIBYTE})
    app.state.database.admission.reserved = RESERVED
    app.add_middleware(Shedding, admission=app.state.database.admission, never=UNCOUNTED)
    app.add_middleware(Guard, limits=limits, any_media_type=(WEBHOOKS, FILES, CONSOLE))
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.app.browser_origins,
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=[
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "If-None-Match",
            "Last-Event-ID",
            "X-Request-ID",
        ],
        expose_headers=EXPOSED_HEADERS,
        max_age=600,
    )
    app.add_middleware(
        RequestContext,
        hsts=settings.app.production,
        secret_after=(f"{KAJABI}/",),
        quiet=("/health/", "/api/health/", "/metrics"),
        observe=requests.observe,
    )


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.sampler.start()
    if app.state.scheduler is not None:
        app.state.scheduler.start()
    try:
        yield
    finally:
        if app.state.scheduler is not None:
            await app.state.scheduler.stop()
        await app.state.sampler.close()
        if app.state.rate_limiter is not None:
            await app.state.rate_limiter.aclose()
        await app.state.figures.close()
        await app.state.alerts.close()
        await app.state.recorder.close()
        app.state.end_traces()
        await app.state.health.close()
        await app.state.verifier.aclose()
        await app.state.directory.aclose()
        await app.state.board_feed.close()
        await app.state.watch_database.dispose()
        await app.state.evidence.storage.aclose()
        await app.state.read_database.dispose()
        await app.state.database.dispose()
