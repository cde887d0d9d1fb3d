"""Switches that turn non-critical features off at run time, in every process within seconds.

A switch is a row of `app_settings`, written by `elevate emergency features`; what is not there is on. Each process
reads them at most every two seconds, and only when a request asks for something that can be switched off.
"""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from elevate_api.kit.db import Database
from elevate_api.kit.i18n import phrase
from elevate_api.kit.problems import Problem, add_responses

FEATURES = {
    "search": "Searching people and the leaderboard by a part of a name",
    "exports": "CSV exports of administrators",
    "analytics": "Reading the analytics (the views are refreshed all the same)",
}
PATHS = {"/api/admin/exports": "exports", "/api/admin/analytics": "analytics"}
FRESH_SECONDS = 2.0

log = structlog.get_logger(__name__)


class FeatureDisabled(Problem):
    status = 503
    code = "FEATURE_DISABLED"
    title = "Feature switched off"
    detail = "An operator has switched this off for the moment. Everything else works."
    default_headers = {"Retry-After": "60"}  # noqa: RUF012  (as the base declares it)


class Switches:
    """What is off, as this process last read it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._off: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def is_off(self, feature: str) -> bool:
        if time.monotonic() - self._read_at > FRESH_SECONDS:
            async with self._reading:
                if time.monotonic() - self._read_at > FRESH_SECONDS:
                    await self._read()
        return feature in self._off

    async def _read(self) -> None:
        """A database that cannot answer changes nothing: what was known stays."""
        try:
            async with self._database.session() as session:
                self._off = frozenset(name for name, on in (await states(session)).items() if not on)
        except (SQLAlchemyError, OSError) as error:
            log.warning("feature_switches_unread", error=repr(error))
        self._read_at = time.monotonic()


async def states(session: AsyncSession) -> dict[str, bool]:
    """Every feature and whether it is on."""
    rows = await session.execute(text("SELECT key FROM app_settings WHERE key LIKE 'feature:%' AND value = 'false'"))
    off = {key.removeprefix("feature:") for key in rows.scalars()}
    return {feature: feature not in off for feature in FEATURES}


async def switch(session: AsyncSession, feature: str, on: bool) -> None:
    """Run it as the owner of the tables: the service may not write settings. Raises KeyError for an unknown feature."""
    statement = text("""
        INSERT INTO app_settings (key, value, description)
        VALUES ('feature:' || CAST(:feature AS text), to_jsonb(CAST(:on AS boolean)), :description)
        ON CONFLICT (key) DO UPDATE SET value = excluded.value, updated_at = clock_timestamp()
    """)
    await session.execute(statement, {"feature": feature, "on": on, "description": FEATURES[feature]})


def feature_of(path: str, query: Any) -> str | None:
    """The feature that a request needs; None for what is never switched off."""
    for prefix, feature in PATHS.items():
        if path.startswith(prefix):
            return feature
    return "search" if str(query.get("search", "")).strip() else None


async def refuse_disabled(request: Request) -> None:
    """A check of every route. Raises FeatureDisabled."""
    query = request.query_params if request.scope["query_string"] else {}  # most have none: nothing to take apart
    feature = feature_of(request.scope["path"], query)
    if feature is not None and await request.app.state.switches.is_off(feature):
        what = FEATURES[feature]
        raise FeatureDisabled(phrase("{what}: switched off for the moment. Everything else works.", what=what))


def document_features(routers: Iterable[APIRouter]) -> None:
    """Name in the OpenAPI document which routes can be switched off."""
    for router in routers:
        for route in router.routes:
            if not isinstance(route, APIRoute):
                continue
            searches = any(parameter.alias == "search" for parameter in _queries(route.dependant))
            if searches or route.path.startswith(tuple(PATHS)):
                add_responses(route.responses, FeatureDisabled)


def _queries(dependant: Any) -> list[Any]:
    return [*dependant.query_params, *(found for part in dependant.dependencies for found in _queries(part))]
