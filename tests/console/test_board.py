"""The public board in a real browser."""

from tests.console.conftest import SignIn
from tests.console.console import Console
from tests.support.waiting import until

FIRST_PAGE_BYTES = 100_000


async def test_anybody_reads_it_filters_it_and_it_weighs_little(console: Console, tab_of: SignIn) -> None:
    cohort = "Angkatan Papan"
    for number, points in enumerate((90, 60, 60), start=1):
        teacher = await console.person(name=f"Guru Papan {number}", cohort=cohort, school=f"SMA {number}")
        await console.factory.entry(teacher, points)
    await console.refresh()
    tab = await tab_of()
    await tab.open("/console/board")
    await tab.sees("Live", "#live")
    assert sum(tab.sizes.values()) < FIRST_PAGE_BYTES
    await tab.accessible()
    await tab.picture("board")

    await tab.fill("#search", "papan")
    await until(lambda: tab.run("location.search.includes('q=papan')"))
    assert await tab.count(".board tbody tr") == 3
    ranks = await tab.run("[...document.querySelectorAll('.board tbody tr')].map((row) => row.dataset.rank)")
    assert int(ranks[1]) == int(ranks[2]) == int(ranks[0]) + 1
    await tab.fill("#school", "SMA 2")
    await tab.press("Enter")
    await tab.misses("Guru Papan 1")
    await tab.sees("Guru Papan 2")
    await tab.fill("#search", "nobody is called that")
    await tab.sees("Nobody matches")
    await tab.accessible()


async def test_it_moves_by_itself_and_says_so(console: Console, tab_of: SignIn) -> None:
    first, second = await console.person(name="Ibu Satu"), await console.person(name="Pak Dua")
    await console.factory.entry(first, 500)
    await console.factory.entry(second, 400)
    await console.refresh()
    tab = await tab_of()
    await tab.open("/console/board?period=30d")
    await tab.sees("Live", "#live")
    order = "[...document.querySelectorAll('.board .name')].map((one) => one.innerText).slice(0, 2)"
    assert await tab.run(order) == ["Ibu Satu", "Pak Dua"]
    await console.factory.entry(second, 200)
    await console.refresh()
    await until(lambda: tab.run(f'JSON.stringify({order}) === \'["Pak Dua","Ibu Satu"]\''))
    await until(lambda: tab.run("document.getElementById('announcer').textContent.startsWith('The board has changed')"))
    assert await tab.count("tr.moved") >= 2
    assert await tab.run("location.search") == "?period=30d"


async def test_who_is_signed_in_sees_their_own_place(console: Console, tab_of: SignIn) -> None:
    ahead, me, behind = [await console.person(name=name) for name in ("Di Depan", "Saya Sendiri", "Di Belakang")]
    for person, points in ((ahead, 35), (me, 30), (behind, 25)):
        await console.factory.entry(person, points)
    await console.refresh()
    tab = await tab_of(me.id)
    await tab.open("/console/board")
    own = await tab.text(".own")
    for words in ("Your place", "Di Depan", "Saya Sendiri", "Di Belakang", "30 points"):
        assert words in own
    assert await tab.count("tr.me") == 1
    await tab.scheme("dark")
    await tab.accessible()
    await tab.picture("board-own-dark")


async def test_without_points_and_for_staff_it_says_so(console: Console, tab_of: SignIn) -> None:
    for role, words in (("PARTICIPANT", "You have no points in this period yet"), ("REVIEWER", "are not ranked")):
        tab = await tab_of((await console.person(role)).id)
        await tab.open("/console/board")
        assert words in await tab.text(".own")


async def test_on_a_phone_and_in_indonesian_nothing_overflows(console: Console, tab_of: SignIn) -> None:
    await console.factory.entry(await console.person(name="Guru Telepon", school="SMP Telepon"), 15)
    await console.refresh()
    tab = await tab_of(language="id")
    await tab.size(360, 740, phone=True)
    await tab.open("/console/board?q=telepon")
    await tab.sees("Papan peringkat")
    await tab.sees("Guru Telepon")
    assert await tab.run("document.documentElement.scrollWidth <= innerWidth")
    await tab.accessible()
    await tab.picture("board-phone")
    await tab.click(".who a[hreflang=en]")
    await tab.sees("Leaderboard")
    assert await tab.run("location.search") == "?q=telepon"


async def test_pages_follow_each_other(console: Console, tab_of: SignIn) -> None:
    for number in range(26):
        await console.factory.entry(await console.person(name=f"Guru Seri {number:02}", cohort="Seri"), 10 + number)
    await console.refresh()
    tab = await tab_of()
    await tab.open("/console/board?cohort=Seri")
    assert await tab.count(".board tbody tr") == 25
    await tab.click("a[rel=next]")
    await tab.sees("Guru Seri 00")
    assert await tab.count(".board tbody tr") == 1
    await tab.click(".pager a")
    await tab.sees("Guru Seri 25")
