"""Kajabi's events as the operators' watch shows them."""

from typing import Any

from fastapi import Response

from elevate_api.console.pages import notice
from elevate_api.console.visits import Visit
from elevate_api.kit.problems import ValidationFailed

STATUSES = ("UNMATCHED", "FAILED", "RECEIVED", "IGNORED", "PROCESSED", "DUPLICATE")
REPLAYED = ("UNMATCHED", "FAILED", "RECEIVED")
EVENTS_SHOWN = 20


async def _events(visit: Visit, status: str) -> dict[str, Any]:
    if status not in STATUSES:
        raise ValidationFailed
    events = await visit.api.get("/api/admin/kajabi/events", status=status, limit=EVENTS_SHOWN)
    return {
        "events": events["items"], "more": events["nextCursor"] is not None, "status": status,
        "statuses": STATUSES, "replayed": REPLAYED,
    }  # fmt: skip


async def events_part(visit: Visit, status: str) -> Response:
    return visit.fragment("ops_kajabi.html", **await _events(visit, status))


async def told_after(visit: Visit, before: str, event: dict[str, Any]) -> Response:
    response = await events_part(visit, before)
    told = visit.words("ops.kajabi.now", status=visit.words(f"ops.kajabi.status.{event['status']}"))
    response.headers["HX-Trigger"] = notice(told, "bad" if event["status"] == "FAILED" else "ok")
    return response


async def person_named(visit: Visit, named: str) -> str | None:
    if not named:
        return None
    if named.startswith("user_"):
        return named
    wanted = named.removeprefix("@").lower()
    found = (await visit.api.get("/api/admin/users", search=wanted, limit=20))["items"]
    exact = [one for one in found if wanted in (one["handle"], (one["email"] or "").lower())]
    return exact[0]["id"] if len(exact) == 1 else None
