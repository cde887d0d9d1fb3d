"""The reviewers' desk in a real browser: by keyboard, by two people at once, and without a network."""

import itertools
from typing import Any

import pytest
from tests.console.browser import Tab
from tests.console.conftest import SignIn
from tests.console.console import Console
from tests.support.waiting import until

from elevate_api.submissions.models import Submission
from elevate_api.users.models import User

DISCONNECTED, TAKEN = "ERR_INTERNET_DISCONNECTED", "409 (Conflict)"
_cohorts = (f"Kohor {number}" for number in itertools.count(1))


async def sent(console: Console, *stages: str, name: str = "Guru") -> tuple[str, list[Submission]]:
    """A cohort of its own, and a submission for each stage, by somebody else each."""
    cohort = next(_cohorts)
    made = []
    for number, stage in enumerate(stages, start=1):
        teacher = await console.person(name=f"{name} {number}", cohort=cohort, school="SMA Tinjau")
        made.append(
            await console.submission(
                teacher, stage, payload={"caption": "Our class and what it asked."} if stage == "PRESENT" else {}
            )
        )
    return cohort, made


async def desk(tab_of: SignIn, reviewer: User, cohort: str, **more: str) -> Tab:
    tab = await tab_of(reviewer.id)
    query = "&".join(f"{name}={value}" for name, value in {"cohort": cohort.replace(" ", "+"), **more}.items())
    await tab.open(f"/console/review?{query}")
    await until(
        lambda: tab.run("!!document.querySelector('.row .open[aria-current]') || !document.querySelector('.row')")
    )
    return tab


async def status_of(console: Console, submission: Submission, reader: User) -> dict[str, Any]:
    found: dict[str, Any] = await console.get(f"/api/submissions/{submission.id}", reader.id)
    return found


async def names(tab: Tab) -> list[str]:
    found: list[str] = await tab.run(
        "[...document.querySelectorAll('.row')].filter((row) => row.checkVisibility()).map((row) => row.dataset.name)"
    )
    return found


async def test_a_decision_goes_from_the_queue_to_the_ledger_to_the_board(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    cohort, (submission,) = await sent(console, "EXPLORE", name="Ibu Perjalanan")
    board = await tab_of()
    await console.refresh()
    await board.open(f"/console/board?cohort={cohort.replace(' ', '+')}")
    await board.sees("Live", "#live")
    tab = await desk(tab_of, reviewer, cohort)
    await tab.accessible()
    await tab.press("a")
    await tab.sees("Approved: Ibu Perjalanan 1, 50 points.")
    assert await tab.run("document.querySelector('.notice a').search") == "?q=Ibu%20Perjalanan%201"
    await tab.sees("Nothing is left here", "#detail")
    points = await console.get("/api/me/points", submission.user_id)
    assert points["totalPoints"] == 50
    assert (await status_of(console, submission, reviewer))["reviewerId"] == reviewer.id
    await console.refresh()
    await board.sees("Ibu Perjalanan 1")


async def test_a_rejection_by_keyboard_needs_a_note_which_the_educator_reads(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    cohort, (first, second) = await sent(console, "PRESENT", "SHINE")
    tab = await desk(tab_of, reviewer, cohort)
    await tab.press("j")
    await tab.sees("Guru 2", "#detail")
    await tab.press("k")
    await tab.sees("Guru 1", "#detail")
    await tab.press("r")
    assert await tab.run("document.activeElement.name") == "note"
    await tab.accessible()
    await tab.press("Enter", ctrl=True)
    assert await tab.run("document.activeElement.name") == "note"
    assert await tab.run("localStorage.length") == 0
    await tab.type("Please add a link to the post.")
    await tab.press("Enter", ctrl=True)
    await tab.sees("Rejected: Guru 1.")
    found = await console.get(f"/api/submissions/{first.id}", first.user_id)
    assert (found["status"], found["reviewNote"]) == ("REJECTED", "Please add a link to the post.")
    await tab.sees("Guru 2", "#detail")
    assert await names(tab) == ["Guru 2"]
    assert (await status_of(console, second, reviewer))["status"] == "PENDING"


async def test_points_are_adjusted_with_a_reason_and_within_the_rules_of_the_api(
    console: Console, tab_of: SignIn
) -> None:
    reviewer = await console.person("REVIEWER")
    cohort, (first, second) = await sent(console, "EXPLORE", "EXPLORE")
    tab = await desk(tab_of, reviewer, cohort)
    await tab.press("p")
    await tab.type("45")
    await tab.click(".approve")
    await tab.sees("Say why the points differ.", "#detail")
    assert await tab.run("document.activeElement.name") == "reason"
    await tab.type("Half of the class only.")
    await tab.press("Enter", ctrl=True)
    await tab.sees("Approved: Guru 1, 45 points.")
    await tab.press("p")
    await tab.type("90")
    await tab.fill("[name=reason]", "Too good.")
    await tab.press("Enter", ctrl=True)
    await tab.sees("Guru 2 was not approved. Point adjustment out of bounds.", "#conflicts")
    await tab.sees("Guru 2", "#queue")
    await tab.accessible()
    tab.forgive("422")
    assert (await status_of(console, first, reviewer))["pointsAwarded"] == 45
    assert (await status_of(console, second, reviewer))["status"] == "PENDING"


async def test_many_are_decided_at_once(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    cohort, made = await sent(console, "EXPLORE", "PRESENT", "SHINE", "LEARN")
    tab = await desk(tab_of, reviewer, cohort)
    await tab.press("x")
    await tab.press("j")
    await tab.press("x")
    await tab.sees("2 selected", "#chosen")
    await tab.click("#bulk-approve")
    await tab.sees("Approve 2 submissions?", "#ask")
    await tab.accessible()
    await tab.click("#ask-send")
    await tab.sees("Approved: Guru 1, 50 points.")
    await tab.sees("Approved: Guru 2, 20 points.")
    await tab.click("#all")
    await tab.click("#bulk-reject")
    await tab.click("#ask-send")
    assert await tab.run("document.getElementById('ask').open")
    await tab.fill("#ask-note", "Sent in by mistake.")
    await tab.click("#ask-send")
    await tab.sees("Rejected: Guru 4.")
    states = [(await status_of(console, one, reviewer))["status"] for one in made]
    assert states == ["APPROVED", "APPROVED", "REJECTED", "REJECTED"]


async def test_two_reviewers_never_work_on_one(console: Console, tab_of: SignIn) -> None:
    anna, budi = await console.person("REVIEWER", name="Anna"), await console.person("REVIEWER", name="Budi")
    cohort, (held, free) = await sent(console, "SHINE", "SHINE")
    await console.post("/api/review/claims", anna.id, {"count": 20})
    await console.release_others(anna.id, held.id)
    of_anna, of_budi = await desk(tab_of, anna, cohort), await desk(tab_of, budi, cohort)
    await of_anna.sees("Held by you", "#queue")
    await of_budi.sees("Held by a colleague", "#queue")
    await of_budi.click(f".row[data-id='{held.id}'] .open")
    await of_budi.sees("Held by a colleague until", "#detail")
    assert await of_budi.count(".decide") == 0
    await of_budi.accessible()
    await of_budi.picture("review-held")

    for tab in (of_anna, of_budi):  # both look at the free one
        await tab.click(f".row[data-id='{free.id}'] .open")
        await tab.sees("Guru 2", "#detail")
    await of_anna.press("a")
    await of_anna.sees("Approved: Guru 2")
    await of_budi.press("a")
    await of_budi.sees("Guru 2 was not approved. Already reviewed.", "#conflicts")
    of_budi.forgive(TAKEN)
    found = await status_of(console, free, budi)
    assert (found["status"], found["reviewerId"]) == ("APPROVED", anna.id)

    await of_anna.click(f".row[data-id='{held.id}'] .open")
    await of_anna.click(".item-head [hx-delete]")
    await of_anna.sees("Given back to the queue.")
    await of_anna.misses("Held by you", "#queue")


async def test_taking_the_next_ones_shows_what_one_holds(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    await sent(console, "LEARN", "LEARN", name="Guru Antre")
    tab = await tab_of(reviewer.id)
    await tab.open("/console/review?activity=LEARN")
    await tab.run("document.getElementById('count').value = '20'")
    await tab.press("t")
    await tab.sees("for 15 minutes")
    assert await tab.run("document.getElementById('held').value") == "mine"
    held = await tab.count(".row")
    assert held >= 2
    assert await tab.run("location.search") == "?activity=LEARN&held=mine"
    await console.release_others(reviewer.id)


async def test_a_lost_network_loses_no_decision(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    cohort, made = await sent(console, "SHINE", "EXPLORE", "PRESENT")
    tab = await desk(tab_of, reviewer, cohort)
    await tab.network(on=False)
    await tab.press("a")
    await tab.sees("1 decision waits for the network", "#waiting")
    await tab.press("a")
    await tab.sees("2 decisions wait for the network", "#waiting")
    await tab.accessible()
    await tab.picture("review-offline")
    assert [(await status_of(console, one, reviewer))["status"] for one in made] == ["PENDING"] * 3

    # The first one's answer was lost on its way: from here it looks as if it had never been sent.
    await console.post(f"/api/review/{made[0].id}/approve", reviewer.id, {"version": 1})
    await tab.network(on=True)
    await tab.run("dispatchEvent(new Event('online'))")
    await tab.sees("Approved: Guru 1")
    await tab.sees("Approved: Guru 2, 50 points.")
    await until(lambda: tab.run("document.getElementById('waiting').hidden"))
    assert await tab.run("JSON.parse(localStorage.getItem(Object.keys(localStorage)[0]))") == []
    assert await tab.count(".conflict") == 0
    assert await names(tab) == ["Guru 3"]
    assert (await status_of(console, made[1], reviewer))["status"] == "APPROVED"
    tab.forgive(DISCONNECTED, TAKEN)


async def test_a_decision_outlives_its_tab_and_an_ended_session(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    cohort, (submission,) = await sent(console, "PRESENT")
    tab = await desk(tab_of, reviewer, cohort)
    await tab.sign_in("a.b.c")
    await tab.press("a")
    await tab.sees("Your session has ended", "#waiting")
    await tab.accessible()
    await tab.open("/console/sign-in")
    await tab.sign_in(console.session(reviewer.id))
    await tab.open("/console/review")
    await tab.sees("Approved: Guru 1, 20 points.")
    assert (await status_of(console, submission, reviewer))["status"] == "APPROVED"
    tab.forgive("401")


async def test_what_was_edited_meanwhile_is_never_decided_unseen(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    cohort, (submission,) = await sent(console, "SHINE")
    tab = await desk(tab_of, reviewer, cohort)
    await console.edit(submission, {"ideaTitle": "Another idea", "ideaSummary": "Quite another one."})
    await tab.press("a")
    await tab.sees("Guru 1 was not approved. Submission changed.", "#conflicts")
    await tab.sees("Another idea", "#detail")
    tab.forgive(TAKEN)
    assert (await status_of(console, submission, reviewer))["status"] == "PENDING"
    await tab.press("a")
    await tab.sees("Approved: Guru 1")


async def test_an_administrator_undoes_right_after_and_from_the_recent_list(console: Console, tab_of: SignIn) -> None:
    admin = await console.person("ADMIN", name="Ibu Admin")
    cohort, made = await sent(console, "EXPLORE", "PRESENT")
    tab = await desk(tab_of, admin, cohort)
    await tab.press("a")
    await tab.click(".notice .button")
    await tab.sees("Undo the approval of Guru 1?", "#ask")
    await tab.type("It was the wrong one.")
    await tab.click("#ask-send")
    await tab.sees("Undone: Guru 1, 50 points taken back.")
    assert (await status_of(console, made[0], admin))["status"] == "REVOKED"
    assert (await console.get("/api/me/points", made[0].user_id))["totalPoints"] == 0

    await tab.press("a")
    await tab.sees("Approved: Guru 2")
    await until(lambda: unfolded(tab))
    await tab.sees("Ibu Admin", "#recent-list")
    await tab.accessible()
    await tab.click(f".undo[data-id='{made[1].id}']")
    await tab.type("Sent in twice.")
    await tab.click("#ask-send")
    await tab.sees("Undone: Guru 2, 20 points taken back.")
    await until(lambda: tab.run(f"!document.querySelector('.undo[data-id=\"{made[1].id}\"]')"))


async def test_evidence_history_and_warnings_stand_side_by_side(console: Console, tab_of: SignIn) -> None:
    reviewer, cohort = await console.person("REVIEWER"), next(_cohorts)
    copied = "We read one answer together and asked what it leaves out, and who would say it otherwise. " * 2
    earlier = await console.submission(await console.person(), "EXPLORE", "APPROVED", payload={"reflection": copied})
    teacher = await console.person(name="Guru Salin", cohort=cohort)
    await console.submission(teacher, "PRESENT", "REJECTED", review_note="The link is dead.")
    made = await console.submission(teacher, "EXPLORE", payload={"reflection": copied, "school": "SMP <b>1</b>"})
    file = await console.attach(made, b"%PDF-1.4\n%%EOF\n", "certificate.pdf")
    tab = await desk(tab_of, reviewer, cohort)
    for words in (copied.strip()[:60], "SMP <b>1</b>", "Suspicion 50 of 100", "The same text was sent before",
                  "The link is dead.", "1 rejected", "certificate.pdf"):  # fmt: skip
        await tab.sees(words, "#detail")
    await tab.accessible()
    await tab.picture("review")
    fetched = f"fetch('/api/attachments/{file}').then((answer) => answer.text())"
    assert (await tab.run(fetched)).startswith("%PDF-1.4")
    assert await tab.run("document.querySelector('.files a').getAttribute('href')") == f"/api/attachments/{file}"
    address = await tab.run("document.querySelector('.warnings a').getAttribute('href')")
    assert address == f"/console/review/submissions/{earlier.id}"
    await tab.open(address)
    await tab.sees("approved")
    await tab.accessible()


async def test_nobody_is_offered_to_decide_their_own(console: Console, tab_of: SignIn) -> None:
    cohort = next(_cohorts)
    reviewer = await console.person("REVIEWER", cohort=cohort)
    await console.submission(reviewer, "SHINE")
    tab = await desk(tab_of, reviewer, cohort)
    await tab.sees("This is your own submission", "#detail")
    assert await tab.count(".decide") == 0
    await tab.press("a")
    assert await tab.run("localStorage.length") == 0


async def test_keys_are_explained_and_can_be_switched_off(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    cohort, _ = await sent(console, "SHINE")
    tab = await desk(tab_of, reviewer, cohort)
    await tab.press("?")
    await tab.sees("Previous submission", "#help")
    await tab.accessible()
    await tab.click("#keys-on")
    await tab.press("Escape")
    await tab.press("a")
    await tab.press("x")
    assert await tab.text("#chosen") == "Select all"
    assert await tab.run("Object.keys(localStorage).join()") == "console.keys-off"


async def test_an_empty_queue_says_so_and_a_phone_has_room_for_the_desk(console: Console, tab_of: SignIn) -> None:
    reviewer = await console.person("REVIEWER")
    tab = await desk(tab_of, reviewer, "Nobody here")
    await tab.sees("Nothing matches", "#queue")
    await tab.accessible()
    cohort, _ = await sent(console, "EXPLORE", "AMPLIFY")
    phone = await tab_of(reviewer.id, language="id")
    await phone.size(360, 740, phone=True)
    await phone.open(f"/console/review?cohort={cohort.replace(' ', '+')}")
    await phone.click(".row:nth-child(2) .open")
    await phone.sees("Rekan dilatih", "#detail")
    assert await phone.run("document.documentElement.scrollWidth <= innerWidth")
    await phone.accessible()
    await phone.picture("review-phone")


@pytest.mark.parametrize(("role", "status", "words"), [
    (None, "401", "You are not signed in"), ("PARTICIPANT", "403", "This is not for you"),
])  # fmt: skip
async def test_the_desk_is_for_reviewers(
    console: Console, tab_of: SignIn, role: str | None, status: str, words: str
) -> None:
    tab = await tab_of((await console.person(role)).id if role else None)
    await tab.open("/console/review")
    await tab.sees(words)
    assert await tab.count("#queue") == 0
    await tab.accessible()
    tab.forgive(status)


async def unfolded(tab: Tab) -> bool:
    """The list of recent approvals; a click may miss while what stands above it changes."""
    is_open = "document.getElementById('recent').open"
    if not await tab.run(is_open):
        await tab.click("#recent summary")
    return bool(await tab.run(is_open))
