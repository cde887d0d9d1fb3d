"""The reviewers' desk. Decisions go from its script straight to the API, which is why none is taken here."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Depends, Response

from elevate_api.console.client import ApiRefused, together
from elevate_api.console.evidence import rows_of
from elevate_api.console.pages import PageRouter, notice
from elevate_api.console.visits import Admin, Reviewer, Visit

PAGE_SIZE = 20
WIDE_PAGE = 100
"""Of the API, where what is held by one of two is picked out here."""
RECENT = 8
"""Approvals in the list of recent ones; each is two or three reads."""

router = PageRouter()


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the address asks for. `held`: mine, others, free, or empty for all."""

    activity: str = ""
    cohort: str = ""
    school: str = ""
    held: str = ""
    cursor: str = ""

    @property
    def address(self) -> str:
        return self.at("")

    def at(self, cursor: str) -> str:
        values = {name: getattr(self, name) for name in self.__slots__} | {"cursor": cursor}
        query = urlencode({name: value for name, value in values.items() if value})
        return "/console/review" + (f"?{query}" if query else "")


Queue = Annotated[Wanted, Depends(Wanted)]


@router.get("/console/review")
async def desk(visit: Reviewer, wanted: Queue) -> Response:
    return await _answer(visit, wanted, "review_queue.html" if visit.is_fragment else "review.html")


@router.post("/console/review/claims")
async def take_next(visit: Reviewer) -> Response:
    """Take the next ones of the stage that is looked at, and look at what one holds."""
    form = await visit.form()
    count = form.get("count", "5")
    activity = form.get("activity", "")
    body = {"count": int(count) if count.isdecimal() else count, "activityCode": activity or None}
    taken = len((await visit.api.post("/api/review/claims", body))["items"])
    wanted = Wanted(activity=activity, held="mine")
    response = await _answer(visit, wanted, "review_queue.html")
    told = visit.words.n("review.taken", taken) if taken else visit.words("review.none_free")
    response.headers["HX-Trigger"] = json.dumps({**json.loads(notice(told)), "held": {"value": "mine"}})
    response.headers["HX-Push-Url"] = wanted.address
    return response


@router.delete("/console/review/claims/{submission_id}")
async def release(visit: Reviewer, submission_id: UUID, wanted: Queue) -> Response:
    await visit.api.delete(f"/api/review/claims/{submission_id}")
    response = await _answer(visit, wanted, "review_queue.html")
    response.headers["HX-Trigger"] = notice(visit.words("review.released"))
    return response


@router.get("/console/review/recent")
async def recent(visit: Admin) -> Response:
    """The latest approvals of everybody, as the audit log has them: what may have to be undone."""
    entries = (await visit.api.get("/api/admin/audit", action="submission.approve", limit=RECENT))["items"]
    submissions = await _all(visit, [f"/api/submissions/{entry['targetId']}" for entry in entries])
    ids = {one["userId"] for one in submissions.values()} | {entry["actorId"] for entry in entries if entry["actorId"]}
    return visit.fragment(
        "review_recent.html", entries=entries, submissions=submissions, people=await _people(visit, ids)
    )


@router.get("/console/review/submissions/{submission_id}")
async def submission_page(visit: Reviewer, submission_id: UUID) -> Response:
    """Any submission, for comparing: what a warning names, or a decision of the recent list."""
    submission = await visit.api.get(f"/api/submissions/{submission_id}")
    people = await _people(visit, {submission["userId"], submission["reviewerId"] or submission["userId"]})
    rows = rows_of(submission["payload"], visit.words, visit.formats())
    return visit.page("submission.html", submission=submission, rows=rows, people=people)


async def _answer(visit: Visit, wanted: Wanted, template: str) -> Response:
    items, cursor = await _queue(visit, wanted)
    holders = {item["claim"]["reviewerId"] for item in items if item["claim"]}
    people = await _people(visit, holders)
    formats = visit.formats()
    payloads = {
        item["submission"]["id"]: rows_of(item["submission"]["payload"], visit.words, formats) for item in items
    }
    return visit.page(
        template, wanted=wanted, queue=items, next_cursor=cursor, people=people, payloads=payloads, shown=len(items)
    )


async def _queue(visit: Visit, wanted: Wanted) -> tuple[list[dict[str, Any]], str | None]:
    """A page of the queue; those that one of two holds are picked out of what is held at all."""
    assert visit.viewer is not None  # noqa: S101 - a reviewer is somebody
    claimed = {"free": False, "mine": True, "others": True}.get(wanted.held)
    found = await visit.api.get(
        "/api/review/queue",
        activityCode=wanted.activity,
        cohort=wanted.cohort.strip(),
        school=wanted.school.strip(),
        claimed=claimed,
        cursor=wanted.cursor,
        limit=WIDE_PAGE if claimed else PAGE_SIZE,
    )
    items, me = found["items"], visit.viewer.id
    if claimed:
        items = [item for item in items if (item["claim"]["reviewerId"] == me) is (wanted.held == "mine")]
    return items, found["nextCursor"]


async def _people(visit: Visit, ids: set[str]) -> dict[str, str]:
    """Names by id, as far as the visitor may know them: only administrators may ask the API."""
    if visit.viewer is None or not visit.viewer.may("ADMIN"):
        return {}
    found = await _all(visit, [f"/api/admin/users/{person}" for person in sorted(ids)])
    return {path.rpartition("/")[2]: person["name"] or person["handle"] for path, person in found.items()}


async def _all(visit: Visit, paths: Sequence[str]) -> dict[str, Any]:
    """What each path answers, in parallel; what is refused (erased since, perhaps) is left out."""
    wanted = list(dict.fromkeys(paths))
    answers = await together(*(visit.api.attempt("GET", path) for path in wanted))
    return {path: answer for path, answer in zip(wanted, answers, strict=True) if not isinstance(answer, ApiRefused)}
