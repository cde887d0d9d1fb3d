"""A token of Clerk's is good for a minute: pages renew it by themselves, against a stand-in with shorter ones."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from tests.console.browser import Browser, Tab
from tests.console.clerk import CLIENT, Clerk, standing_in
from tests.console.console import Console
from tests.support.cluster import OWNER, SERVICE, Cluster
from tests.support.factories import Factory
from tests.support.service import Service, running_service
from tests.support.waiting import until

from elevate_api.auth.tokens import SKEW_SECONDS
from elevate_api.submissions.models import Submission
from elevate_api.users.models import User

SUFFIXED = "__session_aBc-123_"
SIGN_IN = "https://accounts.leaps.test/sign-in"
EXPIRED, GONE = {"iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 1_700_000_060}, "404"


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Clerk]:
    with standing_in() as clerk:
        yield clerk


@pytest.fixture
def clerk(stand_in: Clerk) -> Clerk:
    stand_in.__init__(stand_in.url)  # type: ignore[misc]
    return stand_in


@pytest.fixture(scope="module")
def clerks_service(
    stand_in: Clerk, cluster: Cluster, database_name: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    settings = {"CLERK_ISSUER": stand_in.url, "CONSOLE_SIGN_IN_URL": SIGN_IN}
    dsns = cluster.dsn(database_name, SERVICE), cluster.dsn(database_name, OWNER)
    log = tmp_path_factory.mktemp("clerk") / "service.log"
    with running_service(Service(*dsns, log, settings)) as service:
        yield service


@pytest.fixture
async def tab(browser: Browser, clerks_service: Service, clerk: Clerk) -> AsyncIterator[Tab]:
    tab = await browser.tab(clerks_service.url)
    name, _, value = CLIENT.partition("=")
    await tab.ask("Network.setCookie", name=name, value=value, url=clerk.url, httpOnly=True)
    yield tab
    complaints = tab.complaints
    await tab.close()
    assert complaints == []


@pytest.fixture
async def people(factory: Factory) -> Console:
    return Console("", factory)


async def waiting(console: Console) -> tuple[User, Submission, str]:
    """A reviewer, a submission, and the address of a desk that shows only that."""
    reviewer = await console.person("REVIEWER")
    cohort = f"Sesi-{reviewer.handle}"
    teacher = await console.person(name="Guru Sesi", cohort=cohort, school="SMA Sesi")
    submission = await console.submission(teacher, "EXPLORE")
    return reviewer, submission, f"/console/review?cohort={cohort}"


async def hold(tab: Tab, clerk: Clerk, user: User, **claims: Any) -> str:
    """A session at Clerk's, and the cookies that its script leaves in the front end; answers its id."""
    sid = f"sess_{user.handle}"
    clerk.sessions[sid] = user.id
    for name in ("__session", SUFFIXED):
        await tab.ask("Network.setCookie", name=name, value=clerk.token(sid, user.id, **claims), url=tab.address)
    return sid


async def cookies(tab: Tab) -> dict[str, str]:
    return {one["name"]: one["value"] for one in (await tab.ask("Network.getCookies", urls=[tab.address]))["cookies"]}


async def status_of(tab: Tab, clerk: Clerk, submission: Submission) -> str:
    headers = {"Authorization": f"Bearer {clerk.token('sess_other', submission.user_id, sts='active')}"}
    async with httpx.AsyncClient(base_url=tab.address, headers=headers, trust_env=False) as client:
        return str((await client.get(f"/api/submissions/{submission.id}")).json()["status"])


async def test_a_page_outlives_its_tokens_and_a_decision_made_meanwhile_arrives(
    people: Console, clerk: Clerk, tab: Tab
) -> None:
    clerk.seconds = 3
    reviewer, submission, desk = await waiting(people)
    sid = await hold(tab, clerk, reviewer)
    first = await cookies(tab)
    started = time.monotonic()
    await tab.open(desk)
    await tab.sees("Guru Sesi", "#detail")
    await until(lambda: len(clerk.asked) >= 4 and time.monotonic() - started > 3 + SKEW_SECONDS)
    assert set(clerk.asked) == {f"POST /sessions/{sid}/tokens"}
    assert len(clerk.asked) <= 12
    later = await cookies(tab)
    assert later["__session"] == later[SUFFIXED] != first["__session"]
    await tab.press("a")
    await tab.sees("Approved: Guru Sesi, 50 points.")
    assert await status_of(tab, clerk, submission) == "APPROVED"
    assert await tab.count("#session-over") == 0


async def test_a_page_that_comes_too_late_is_renewed_and_loaded_once_more(
    people: Console, clerk: Clerk, tab: Tab
) -> None:
    reviewer, _, desk = await waiting(people)
    sid = await hold(tab, clerk, reviewer, **EXPIRED)
    await tab.go(desk)
    await tab.sees("Guru Sesi", "#detail")
    assert clerk.asked == [f"POST /sessions/{sid}/tokens"]
    assert await tab.run("location.pathname + location.search") == desk
    await hold(tab, clerk, reviewer, **EXPIRED)
    await tab.go("/console/board")
    await tab.sees(reviewer.name or "", ".who")
    tab.forgive("401")


async def test_what_the_service_refuses_however_fresh_is_not_asked_for_again_and_again(
    people: Console, clerk: Clerk, tab: Tab
) -> None:
    reviewer, _, desk = await waiting(people)
    clerk.claims = {"sts": "pending"}
    await hold(tab, clerk, reviewer, **EXPIRED)
    await tab.go(desk)
    await tab.sees("You are not signed in")
    await tab.accessible()
    asked = len(clerk.asked)
    assert asked <= 2
    await asyncio.sleep(1)
    assert len(clerk.asked) == asked
    link = await tab.run("document.querySelector('#sign-in .primary').href")
    assert link.startswith(f"{SIGN_IN}?redirect_url=")
    tab.forgive("401")


async def test_an_ended_session_says_so_and_keeps_the_page_until_somebody_signs_in_again(
    people: Console, clerk: Clerk, tab: Tab
) -> None:
    clerk.seconds = 3
    reviewer, submission, desk = await waiting(people)
    sid = await hold(tab, clerk, reviewer)
    await tab.open(desk)
    await tab.run("document.querySelector('.decide [name=note]').value = 'A fine class.'")
    del clerk.sessions[sid]
    await until(lambda: tab.count("#session-over"))
    assert await cookies(tab) == {CLIENT.partition("=")[0]: CLIENT.partition("=")[2]}
    await tab.press("a")
    await tab.sees("kept here until you sign in again", "#waiting")
    await tab.accessible()
    await tab.picture("session-over")
    assert await status_of(tab, clerk, submission) == "PENDING"
    await hold(tab, clerk, reviewer)
    await tab.run("dispatchEvent(new Event('focus'))")
    await tab.sees("Approved: Guru Sesi, 50 points.")
    await until(lambda: tab.run("document.getElementById('session-over').hidden"))
    tab.forgive("401", GONE)


async def test_a_decision_waits_while_clerk_cannot_be_had(people: Console, clerk: Clerk, tab: Tab) -> None:
    clerk.seconds = 1
    reviewer, submission, desk = await waiting(people)
    await hold(tab, clerk, reviewer)
    clerk.down = True
    await tab.open(desk)
    await tab.run("document.cookie = '__session=; max-age=0; path=/'")
    await tab.press("a")
    await tab.sees("kept here until you sign in again", "#waiting")
    assert SUFFIXED in await cookies(tab)
    clerk.down = False
    await tab.sees("Approved: Guru Sesi, 50 points.")
    assert await status_of(tab, clerk, submission) == "APPROVED"
    tab.forgive("401", "503")


async def test_who_comes_back_from_clerks_own_page_is_signed_in(people: Console, clerk: Clerk, tab: Tab) -> None:
    reviewer, _, desk = await waiting(people)
    clerk.sessions["sess_elsewhere"] = reviewer.id
    await tab.ask("Network.setCookie", name="__client_uat", value=str(int(time.time())), url=tab.address)
    await tab.go(desk)
    await tab.sees("Guru Sesi", "#detail")
    assert clerk.asked == ["GET ", "POST /sessions/sess_elsewhere/tokens"]
    tab.forgive("401")


async def test_signing_out_ends_clerks_session_too(people: Console, clerk: Clerk, tab: Tab) -> None:
    reviewer, _, desk = await waiting(people)
    sid = await hold(tab, clerk, reviewer)
    await tab.open(desk)
    await tab.click("[hx-post='/console/sign-out']")
    await tab.sees("You are not signed in")
    await tab.loaded("/console/sign-in")
    assert sid not in clerk.sessions
    assert "__session" not in json.dumps(await cookies(tab))
