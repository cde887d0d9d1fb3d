"""The page of the contract: whole, of our own making, and closed to everybody else's scripts."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.browser.chromium import PROGRAM, chromium
from tests.support.service import Service, running_service

from elevate_api.manual.document import METHODS, rules, type_of
from elevate_api.manual.page import paragraphs

NULL = ("null", False)


class Page(HTMLParser):
    """Tags with their attributes, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture
async def page(client: httpx.AsyncClient) -> Page:
    return Page((await client.get("/docs")).text)


async def test_every_operation_and_every_schema_has_its_place(client: httpx.AsyncClient, app: FastAPI) -> None:
    text = (await client.get("/docs")).text
    document = app.openapi()
    for path, methods in document["paths"].items():
        for method in methods.keys() & set(METHODS):
            assert f'<span class="method {method}">{method.upper()}</span> <code>{path}</code>' in text
    for name in document["components"]["schemas"]:
        assert f'id="schema-{name}"' in text
    problems = set(re.findall(r"'/problems/([a-z-]+)'", str(document)))
    assert len(problems) > 20
    for problem in problems:
        assert f"<code>{problem.upper().replace('-', '_')}</code>" in text


async def test_what_a_link_names_is_there_once(page: Page) -> None:
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.values("href") if link.startswith("#")} <= set(ids)


async def test_nothing_is_asked_of_another_host_and_nothing_runs(client: httpx.AsyncClient, page: Page) -> None:
    names = {tag for tag, _ in page.tags}
    assert names & {"script", "style", "iframe", "img", "object", "embed", "base", "form"} == set()
    assert [name for _, attributes in page.tags for name in attributes if name == "style" or name[:2] == "on"] == []
    assert [link for link in page.values("href") + page.values("src") if not re.match(r"[#/](?!/)", link)] == []
    for link in {link for link in page.values("href") if link.startswith("/")}:
        assert (await client.get(link)).status_code == 200
    assert re.findall(rb"url\(|@import|//", (await client.get("/docs/manual.css")).content) == []


async def test_its_policy_lets_in_one_style_sheet_of_ours(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.headers.get_list("content-security-policy") == [
        "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    sheet = await client.get("/docs/manual.css")
    assert sheet.headers["content-type"] == "text/css; charset=utf-8"
    for gone in ("/docs/oauth2-redirect", "/redoc"):
        assert (await client.get(gone)).status_code == 404


async def test_who_has_it_is_told_so(client: httpx.AsyncClient) -> None:
    first = await client.get("/docs")
    again = await client.get("/docs", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("schema", "words", "is_list"),
    [
        ({"$ref": "#/components/schemas/Me"}, [("Me", True)], False),
        ({"anyOf": [{"type": "string", "format": "uuid"}, {"type": "null"}]}, [("string (uuid)", False), NULL], False),
        ({"type": "array", "items": {"$ref": "#/components/schemas/Me"}}, [("Me", True)], True),
        ({"enum": ["a", "b"], "type": "string"}, [('"a" | "b"', False)], False),
        ({"const": "LEARN"}, [('"LEARN"', False)], False),
        ({}, [("any", False)], False),
    ],
)  # fmt: skip
def test_a_type_in_words(schema: dict[str, object], words: list[tuple[str, bool]], is_list: bool) -> None:
    found = type_of(schema)
    assert (list(found.words), found.is_list) == (words, is_list)


def test_bounds_in_words() -> None:
    schema = {"anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}], "default": "x"}
    assert rules(schema) == 'at most 9 characters, default "x"'
    assert rules({"minimum": 0, "maximum": 5, "default": 0}) == "at least 0, at most 5, default 0"


def test_a_description_is_text() -> None:
    assert paragraphs("Use `a<b>`\nand <i>c</i>.\n\nThen more") == [["Use ", "a<b>", " and <i>c</i>."], ["Then more"]]


@pytest.fixture
def service(app_dsn: str, owner_dsn: str, tmp_path: Path) -> Iterator[Service]:
    with running_service(Service(app_dsn, owner_dsn, tmp_path / "service.log")) as service:
        yield service


@pytest.mark.skipif(PROGRAM is None, reason="chromium is not installed (Debian: apt-get install chromium)")
async def test_a_browser_lays_it_out_under_that_policy(service: Service, tmp_path: Path) -> None:
    async with chromium(tmp_path) as tab:
        await tab.open(f"{service.url}/docs")
        assert await tab.run("getComputedStyle(document.body).margin") == "0px"  # without the style sheet: 8px
        await tab.run("location.hash = '#post-api-submissions'")
        assert await tab.run("document.querySelector(':target').getBoundingClientRect().top < innerHeight")
        assert await tab.run("document.documentElement.scrollWidth <= innerWidth")
        assert await tab.run(
            "performance.getEntriesByType('resource').every(one => one.name.startsWith(location.origin))"
        )
