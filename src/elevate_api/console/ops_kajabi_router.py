"""Reconciliation from the operators' watch: events that found nobody, and those that failed."""

from fastapi import Response

from elevate_api.console.ops_kajabi import REPLAYED, events_part, person_named, told_after
from elevate_api.console.pages import PageRouter, notice
from elevate_api.console.visits import Admin
from elevate_api.kit.problems import ValidationFailed

router = PageRouter()


@router.post("/console/ops/kajabi/replay")
async def replay_all(visit: Admin) -> Response:
    """Every event of one status, a hundred a call."""
    status = (await visit.form()).get("status", "")
    if status not in REPLAYED:
        raise ValidationFailed
    changed, cursor = 0, None
    while True:
        done = await visit.api.post("/api/admin/kajabi/events/replay", {"status": status, "cursor": cursor})
        changed += done["changed"]
        cursor = done["nextCursor"]
        if cursor is None:
            break
    response = await events_part(visit, status)
    response.headers["HX-Trigger"] = notice(visit.words("ops.kajabi.replayed", n=changed))
    return response


@router.post("/console/ops/kajabi/{event_id}/replay")
async def replay_one(visit: Admin, event_id: str) -> Response:
    before = (await visit.form()).get("status", "")
    event = await visit.api.post(f"/api/admin/kajabi/events/{event_id}/replay")
    return await told_after(visit, before, event)


@router.post("/console/ops/kajabi/{event_id}/match")
async def match(visit: Admin, event_id: str) -> Response:
    """To the person of that id, or of that handle or e-mail where only one is found."""
    form = await visit.form()
    person = await person_named(visit, form.get("person", "").strip())
    if person is None:
        response = await events_part(visit, form.get("status", ""))
        response.headers["HX-Trigger"] = notice(visit.words("ops.kajabi.nobody"), "bad")
        return response
    event = await visit.api.post(f"/api/admin/kajabi/events/{event_id}/match", {"userId": person})
    return await told_after(visit, form.get("status", ""), event)
