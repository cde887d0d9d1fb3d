"""Asking Kajabi's API, spoken to over real HTTP."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from pydantic import SecretStr
from tests.kajabi.conftest import Deliver
from tests.kajabi.deliveries import AI_1, AI_2, flat, hook
from tests.kajabi.stand_in import StandIn

from elevate_api.config import KajabiSettings, SettingsError
from elevate_api.kajabi import pull
from elevate_api.kajabi.remote import KajabiApi, KajabiUnavailable
from elevate_api.kit.db import Database

Make = Callable[..., Awaitable[Any]]
Read = Callable[[], Awaitable[list[Any]]]


@pytest.fixture
def kajabi() -> Iterator[StandIn]:
    tags = {"5": "Elevate-AI-1-Completed", "6": AI_2, "7": "newsletter"}
    contacts: dict[str, tuple[str | None, set[str]]] = {
        "77": ("siti@school.test", {"5", "6", "7"}),
        "78": ("nobody@school.test", {"5"}),
        "79": (None, {"7"}),
    }
    with StandIn(tags, contacts) as api:
        yield api


@pytest.fixture
def credentials(kajabi: StandIn) -> KajabiSettings:
    return KajabiSettings.model_validate(kajabi.environment())


@pytest.fixture
async def api(kajabi: StandIn) -> AsyncIterator[KajabiApi]:
    async with KajabiApi(kajabi.url, "client", SecretStr("secret"), first_pause=0.01) as api:
        yield api


async def test_a_pull_takes_in_what_no_webhook_brought(
    database: Database, credentials: KajabiSettings, deliver: Deliver, make_user: Make, events: Read, ledger: Read
) -> None:
    siti = await make_user(email="siti@school.test")
    await deliver(hook("77", "siti@school.test", AI_1))
    result = await pull.run(database, credentials, "test")
    assert result.outcome == {
        "ok": True, "contacts": 3, "missing": 2, "pointsAwarded": 10, "statuses": {"PROCESSED": 1, "UNMATCHED": 1},
        "unknownTags": ["learn_completed"],
    }  # fmt: skip
    assert [row[:2] for row in await ledger()] == [(siti.id, 10), (siti.id, 10)]
    assert b"Somebody" not in b"".join(event["body"] for event in await events())


async def test_another_pull_finds_nothing_and_stores_nothing(
    database: Database, credentials: KajabiSettings, deliver: Deliver, make_user: Make, events: Read
) -> None:
    """Also where the completion had come without a contact, and where it is IGNORED or a duplicate by now."""
    await make_user(email="siti@school.test")
    await deliver(flat(None, "siti@school.test", AI_1))
    await pull.run(database, credentials, "test")
    stored = len(await events())
    result = await pull.run(database, credentials, "test")
    assert result.outcome is not None
    assert result.outcome["missing"] == 0
    assert len(await events()) == stored


async def test_a_removal_or_a_tag_that_was_none_of_ours_closes_no_gap(
    database: Database, credentials: KajabiSettings, deliver: Deliver, make_user: Make, ledger: Read
) -> None:
    await make_user(email="siti@school.test")
    await deliver(hook("77", "siti@school.test", AI_1, event="tag_removed"))
    await pull.run(database, credentials, "test")
    assert len(await ledger()) == 2


async def test_a_dry_run_counts_and_stores_nothing(
    database: Database, credentials: KajabiSettings, events: Read
) -> None:
    result = await pull.run(database, credentials, "test", dry_run=True)
    assert result.outcome is not None
    assert (result.outcome["contacts"], result.outcome["missing"], result.outcome["statuses"]) == (3, 3, {})
    assert await events() == []


async def every_contact(api: KajabiApi, tag_id: str) -> list[str]:
    return [contact.id async for page in api.contacts_with(tag_id, None) for contact in page]


async def test_pages_are_asked_for_by_number_until_there_is_no_next(kajabi: StandIn, api: KajabiApi) -> None:
    kajabi.largest_page = 2
    kajabi.contacts = {str(n): (None, {"5"}) for n in range(5)}
    assert await every_contact(api, "5") == ["0", "1", "2", "3", "4"]
    assert [query["page[number]"] for path, _, query in kajabi.requests if path == "/v1/contacts"] == ["1", "2", "3"]


@pytest.mark.parametrize("tells_tags", [True, False])
async def test_a_filter_that_is_not_honoured_misleads_nobody(kajabi: StandIn, api: KajabiApi, tells_tags: bool) -> None:
    kajabi.filters, kajabi.tells_tags = False, tells_tags
    assert await every_contact(api, "6") == ["77"]


async def test_only_the_site_that_is_named_is_asked_about(kajabi: StandIn, api: KajabiApi) -> None:
    await api.tag_ids(frozenset({AI_1}), "1")
    assert [query["filter[site_id]"] for _, _, query in kajabi.requests] == ["1"]


async def test_one_token_serves_many_requests_and_is_renewed_when_it_is_refused(
    kajabi: StandIn, api: KajabiApi
) -> None:
    await api.tag_ids(frozenset({AI_1}), None)
    await every_contact(api, "5")
    assert len(kajabi.tokens) == 1
    kajabi.tokens.append("revoked behind our back")
    assert await every_contact(api, "5") == ["77", "78"]
    assert len(kajabi.tokens) == 3


async def test_a_token_that_has_run_out_is_not_used(kajabi: StandIn, api: KajabiApi) -> None:
    kajabi.token_lifetime = 1
    await api.tag_ids(frozenset({AI_1}), None)
    await api.tag_ids(frozenset({AI_1}), None)
    assert len(kajabi.tokens) == 2


async def test_retry_after_is_honoured(kajabi: StandIn, api: KajabiApi) -> None:
    kajabi.refusals = [(429, {"Retry-After": "1"}), (503, {}), (429, {"Retry-After": "junk"})]
    started = time.monotonic()
    assert await api.tag_ids(frozenset({AI_1}), None) == {AI_1: ["5"]}
    assert 1 <= time.monotonic() - started < 5


async def test_retry_after_may_be_a_date(kajabi: StandIn, api: KajabiApi) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    kajabi.refusals = [(429, {"Retry-After": soon})]
    started = time.monotonic()
    await api.tag_ids(frozenset({AI_1}), None)
    assert 0.5 < time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("refusals", "words"),
    [
        ([(429, {"Retry-After": "3600"})], "3600 seconds of patience"),
        ([(503, {})] * 6, "status 503, 6 times"),
        ([(403, {})], "answers 403"),
    ],
)
async def test_patience_ends(kajabi: StandIn, api: KajabiApi, refusals: list[Any], words: str) -> None:
    kajabi.refusals = list(refusals)
    with pytest.raises(KajabiUnavailable, match=words):
        await api.tag_ids(frozenset({AI_1}), None)


async def test_wrong_credentials_are_told_and_not_shown(kajabi: StandIn) -> None:
    async with KajabiApi(kajabi.url, "client", SecretStr("other-secret")) as api:
        with pytest.raises(KajabiUnavailable, match="answers 401") as caught:
            await api.tag_ids(frozenset({AI_1}), None)
    assert "other-secret" not in str(caught.value)


async def test_without_credentials_there_is_nobody_to_ask() -> None:
    with pytest.raises(SettingsError, match="KAJABI_CLIENT_ID"):
        KajabiApi.of(KajabiSettings.model_validate({}))
