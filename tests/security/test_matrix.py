"""Every route, asked by everybody; what each may do to their own and to others (OWASP API 1, 3 and 5)."""

from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from tests.api.test_guards import TABLE
from tests.security.matrix import APART, MATRIX
from tests.security.world import CALLERS, World, send

from elevate_api.config import AppSettings, MachineSettings, Settings

REFUSED_AS = {"suspended": "USER_SUSPENDED", "erased": "USER_ERASED"}
FRONT_END, ELSEWHERE = "https://leaps.test", "https://evil.test"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    app = AppSettings.model_validate({"ENVIRONMENT": "test", "SITE_URL": FRONT_END})
    secrets = {"CRON_SECRET": "c" * 24, "METRICS_TOKEN": "m" * 24}
    return settings.model_copy(update={"app": app, "machines": MachineSettings.model_validate(secrets)})


def test_every_route_has_a_row() -> None:
    assert MATRIX.keys() | APART.keys() == TABLE.keys()
    assert all(len(row.split()) == len(CALLERS) for row in MATRIX.values())


async def test_every_route_answers_everybody_as_the_matrix_says(world: World, client: httpx.AsyncClient) -> None:
    wrong = []
    for operation, row in MATRIX.items():
        for who, status in zip(CALLERS, map(int, row.split()), strict=True):
            answer = await send(client, operation[0], await world.ask(operation, who), world.headers(who))
            if operation == ("DELETE", "/api/me"):
                await world.sql.execute("UPDATE users SET erase_at = NULL")
            if answer.status_code != status or not _is_told(answer, who):
                wrong.append(f"{' '.join(operation)} for {who}: {answer.status_code} {answer.text[:200]}")
            wrong += [f"{' '.join(operation)} for {who}: {fault}" for fault in _undefended(answer)]
    assert wrong == []


def _is_told(answer: httpx.Response, who: str) -> bool:
    """The refusal says which kind it is, and nothing of what was asked for."""
    if answer.status_code == 401:
        return answer.json()["code"] == "UNAUTHENTICATED" and answer.headers["www-authenticate"].startswith("Bearer")
    if answer.status_code == 403:
        return bool(answer.json()["code"] == REFUSED_AS.get(who, "FORBIDDEN"))
    return True


def _undefended(answer: httpx.Response) -> list[str]:
    headers = answer.headers
    faults = [] if headers.get("x-content-type-options") == "nosniff" else ["may be sniffed"]
    faults += [] if headers.get("x-frame-options") == "DENY" else ["may be framed"]
    faults += [] if headers.get("referrer-policy") == "no-referrer" else ["tells where one came from"]
    faults += [] if "content-security-policy" in headers and "x-request-id" in headers else ["no policy or no name"]
    faults += [] if "cache-control" in headers else ["says nothing about caches"]
    faults += [f"{name} is shown" for name in ("server", "x-powered-by") if name in headers]
    return faults


# --- one's own things, where a role gives rights over others' ---------------------------------------------------------

OWN_CLAIMS = """
    SELECT count(*) FROM review_claims c JOIN submissions s ON s.id = c.submission_id WHERE s.user_id = c.reviewer_id
"""
STAFF = ("reviewer", "admin", "superadmin")


async def test_nobody_decides_on_their_own(world: World, client: httpx.AsyncClient) -> None:
    for who in STAFF:
        for verb in ("approve", "reject", "revoke"):
            if (who, verb) == ("reviewer", "revoke"):
                continue
            ask = await world.ask(("POST", f"/api/review/{{submission_id}}/{verb}"), who, whose=who)
            answer = await send(client, "POST", ask, world.headers(who))
            assert (answer.status_code, answer.json()["code"]) == (403, "OWN_SUBMISSION"), (who, verb, answer.text)
        ask = await world.ask(("POST", "/api/review/bulk"), who, whose=who)
        result = (await send(client, "POST", ask, world.headers(who))).json()["results"][0]
        assert (result["ok"], result["problem"]["code"]) == (False, "OWN_SUBMISSION")
        await client.post("/api/review/claims", json={"count": 20}, headers=world.headers(who))
        assert await world.sql.fetchval(OWN_CLAIMS) == 0
    assert await world.sql.fetchval("SELECT count(*) FROM points_ledger") == 0


async def test_nobody_gives_themselves_points_or_a_role(world: World, client: httpx.AsyncClient) -> None:
    for who in ("admin", "superadmin"):
        ask = await world.ask(("POST", "/api/admin/points/adjustments"), who, whose=who)
        answer = await send(client, "POST", ask, world.headers(who))
        assert answer.status_code in {403, 409}, (who, answer.text)
        answer = await client.patch(f"/api/admin/users/{who}", json={"role": "PARTICIPANT"}, headers=world.headers(who))
        assert answer.status_code == 403, (who, answer.text)
    roles = dict(await world.sql.fetch("SELECT id, role FROM users"))
    assert (roles["admin"], roles["superadmin"]) == ("ADMIN", "SUPERADMIN")
    assert await world.sql.fetchval("SELECT count(*) FROM points_ledger") == 0


GRANTS = (
    ("admin", "owner", "REVIEWER", 200),
    ("admin", "owner", "ADMIN", 403),
    ("admin", "owner", "SUPERADMIN", 403),
    ("admin", "reviewer", "PARTICIPANT", 200),
    ("admin", "superadmin", "PARTICIPANT", 403),
    ("superadmin", "owner", "SUPERADMIN", 200),
    ("superadmin", "chief", "PARTICIPANT", 200),
)


async def test_roles_are_granted_below_ones_own(world: World, client: httpx.AsyncClient) -> None:
    for who, whom, role, status in GRANTS:
        answer = await client.patch(f"/api/admin/users/{whom}", json={"role": role}, headers=world.headers(who))
        assert answer.status_code == status, (who, whom, role, answer.text)


async def test_a_list_shows_ones_own_alone(world: World, client: httpx.AsyncClient) -> None:
    for whose in ("owner", "stranger", "reviewer", "admin"):
        await world.submission(whose)
        await world.points(whose)
    for who in ("owner", "stranger", "reviewer", "admin"):
        listed = (await client.get("/api/submissions", headers=world.headers(who))).json()["items"]
        assert [one["userId"] for one in listed] == [who]
        entries = (await client.get("/api/me/points/entries", headers=world.headers(who))).json()["items"]
        assert len(entries) == 1
        export = (await client.get("/api/me/export", headers=world.headers(who))).json()
        assert _people_in(export) == {who}


def _people_in(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node[key] for key in ("user_id", "userId") if isinstance(node.get(key), str)}
        return own.union(*map(_people_in, node.values()))
    return set().union(*map(_people_in, node)) if isinstance(node, list) else set()


async def test_another_persons_file_under_ones_own_submission_is_not_there(
    world: World, client: httpx.AsyncClient
) -> None:
    """Two ids in a path: each right by itself, not together."""
    theirs, mine = await world.submission("owner"), await world.submission("stranger")
    attachment = await world.attachment(theirs, finished=False)
    answer = await client.post(
        f"/api/submissions/{mine}/attachments/{attachment}/complete", headers=world.headers("stranger")
    )
    assert answer.status_code == 404


async def test_a_key_for_repeating_is_good_for_its_owner_alone(world: World, client: httpx.AsyncClient) -> None:
    ask = await world.ask(("POST", "/api/submissions"), "owner")
    key = {"Idempotency-Key": "the-same"}
    answers = [await send(client, "POST", ask, {**world.headers(who), **key}) for who in ("owner", "stranger")]
    assert [answer.json()["userId"] for answer in answers] == ["owner", "stranger"]


# --- fields that nobody may set ---------------------------------------------------------------------------------------

PRIVILEGED = {
    "id": "0198f2a4-7c1e-7b3a-9d54-2f6f0f3a1c11",
    "userId": "superadmin",
    "user_id": "superadmin",
    "role": "SUPERADMIN",
    "status": "APPROVED",
    "pointsAwarded": 999,
    "reviewerId": "superadmin",
    "createdAt": "2020-01-01T00:00:00Z",
    "__proto__": {"role": "SUPERADMIN"},
    "nonsense": 1,
}


async def test_a_field_that_a_body_does_not_have_is_refused(
    world: World, client: httpx.AsyncClient, app: FastAPI
) -> None:
    accepted, tried = [], 0
    for method, path in MATRIX:
        ask = await world.ask((method, path), "superadmin")
        if ask.json is None:
            continue
        for body, known in _bodies(ask.json, _fields(app, method, path)):
            for name, value in PRIVILEGED.items():
                if name in known:
                    continue
                tried += 1
                answer = await client.request(
                    method, ask.path, json=body(name, value), headers={**world.headers("superadmin"), **world.key()}
                )
                if answer.status_code != 422:
                    accepted.append(f"{method} {path} {name}: {answer.status_code}")
    assert accepted == []
    assert tried > 150


def _fields(app: FastAPI, method: str, path: str) -> set[str]:
    """What the document names for the body, in any of its forms."""
    document = app.openapi()
    schema = document["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]["schema"]
    forms = [schema, *schema.get("oneOf", ()), *schema.get("anyOf", ())]
    named = [document["components"]["schemas"][form["$ref"].rpartition("/")[2]] for form in forms if "$ref" in form]
    return {name for form in (*forms, *named) for name in form.get("properties", {})}


def _bodies(valid: dict[str, Any], known: set[str]) -> list[tuple[Any, set[str]]]:
    """The body with one field more, at its top and in the objects within."""
    bodies: list[tuple[Any, set[str]]] = [(lambda name, value: {**valid, name: value}, known)]
    for key, part in valid.items():
        if isinstance(part, dict):
            bodies.append((lambda name, value, key=key, part=part: {**valid, key: {**part, name: value}}, set()))
        if isinstance(part, list) and part and isinstance(part[0], dict):
            inner = {"id", "decision", "note", "version"}
            bodies.append((lambda name, value, key=key, part=part: {**valid, key: [{**part[0], name: value}]}, inner))
    return bodies


# --- other origins ----------------------------------------------------------------------------------------------------


async def test_only_the_front_end_may_read_answers_across_origins(world: World, client: httpx.AsyncClient) -> None:
    for method, path in MATRIX:
        url = (await world.ask((method, path), "owner")).path
        for origin, allowed in (
            (FRONT_END, FRONT_END),
            (ELSEWHERE, None),
            ("null", None),
            (f"{FRONT_END}.evil.test", None),
        ):
            asked = {"Origin": origin, "Access-Control-Request-Method": method}
            preflight = await client.options(url, headers=asked)
            assert preflight.headers.get("access-control-allow-origin") == allowed, (path, origin)
            assert "access-control-allow-credentials" not in preflight.headers
    answer = await client.get("/api/me", headers={"Origin": ELSEWHERE, **world.headers("owner")})
    assert "access-control-allow-origin" not in answer.headers


def test_guards_of_routes_and_the_matrix_agree() -> None:
    """The coarse table and the fine one cannot drift apart."""
    for operation, row in MATRIX.items():
        role = TABLE[operation]
        assert (row.split()[0] == "401") == (role is not None or row.split() == ["401"] * 8), operation
