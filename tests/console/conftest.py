"""One service, one database and one Chromium for all tests of the console; people and submissions are each test's own.

A test that looks at the queue gives its people a cohort of their own and looks at that.
"""

import fcntl
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from tests.browser.chromium import PROGRAM, running
from tests.console.browser import AXE, Browser, Tab, browsing
from tests.console.console import CRON_SECRET, KAJABI_SECRET, Console
from tests.support.cluster import OWNER, SEEDED, SERVICE, Administrator, Cluster
from tests.support.factories import Factory
from tests.support.service import Service, running_service
from tests.support.waiting import until

from elevate_api.kit.db import Address, Database

SignIn = Callable[..., Awaitable[Tab]]


@pytest.fixture(scope="session")
def database_name(administrator: Administrator) -> Iterator[str]:
    name = administrator.clone(SEEDED)
    yield name
    administrator.drop(name)


@pytest.fixture(scope="session")
def factory(cluster: Cluster, database_name: str) -> Factory:
    """One for all tests, so that the people it makes are all different; a connection for each row."""
    return Factory(Database(Address.parse(cluster.dsn(database_name, OWNER)), pooled=False))


@pytest.fixture(scope="session")
def service(cluster: Cluster, database_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("console")
    settings = {
        "CRON_SECRET": CRON_SECRET, "ATTACHMENT_DIR": str(folder / "evidence"), "KAJABI_WEBHOOK_SECRET": KAJABI_SECRET,
        # An alert that a test can bring about: two submissions wait.
        "SCHEDULER_ENABLED": "true", "ALERTS_INTERVAL_SECONDS": "1", "ALERT_REVIEW_QUEUE": "1",
        "ALERT_REVIEW_QUEUE_HOLD_SECONDS": "0",
    }  # fmt: skip
    dsns = cluster.dsn(database_name, SERVICE), cluster.dsn(database_name, OWNER)
    with running_service(Service(*dsns, folder / "service.log", settings)) as service:
        yield service


@pytest.fixture
async def console(service: Service, factory: Factory) -> AsyncIterator[Console]:
    async with Console(service.url, factory) as console:
        yield console


@pytest.fixture(scope="session")
def axe() -> None:
    """axe-core of the committed lock file, from npm."""
    if shutil.which("npm") is None and not AXE.exists():
        pytest.skip("npm is not installed, which brings axe-core (Debian: apt-get install npm)")
    folder = AXE.parents[2]
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    with lock.open("rb") as turn:  # another worker of this run, or .ci/run, may be at it
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not installed.exists() or installed.stat().st_mtime < lock.stat().st_mtime:
            command = ["npm", "--prefix", str(folder), "ci", "--loglevel=error", "--ignore-scripts"]
            subprocess.run(command, check=True, timeout=300)
            installed.touch()


@pytest.fixture(scope="session")
def chromium_log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the run's Chromium notes its port."""
    if PROGRAM is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with running(tmp_path_factory.mktemp("chromium")) as note:
        yield note


def port_in(note: Path) -> str:
    """Empty until it is written down."""
    lines = note.read_text().splitlines() if note.exists() else []
    return lines[0] if len(lines) > 1 else ""


@pytest.fixture
async def browser(chromium_log: Path, axe: None) -> AsyncIterator[Browser]:
    await until(lambda: port_in(chromium_log), seconds=30)
    async with browsing(port_in(chromium_log)) as browser:
        yield browser


@pytest.fixture
async def tab_of(browser: Browser, service: Service) -> AsyncIterator[SignIn]:
    """`tab = await tab_of(user.id)`; without an id nobody is signed in. A complaint on a console fails the test."""
    tabs: list[Tab] = []

    async def open_tab(user_id: str | None = None, language: str = "en") -> Tab:
        tab = await browser.tab(service.url, language)
        tabs.append(tab)
        if user_id is not None:
            await tab.sign_in(Console.session(user_id))
        return tab

    yield open_tab
    complaints = [complaint for tab in tabs for complaint in tab.complaints]
    for tab in tabs:
        await tab.close()
    assert complaints == []
