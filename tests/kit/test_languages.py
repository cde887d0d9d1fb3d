"""Which language a header asks for, and how a text is said in it."""

import httpx
import pytest
from fastapi import FastAPI
from pydantic import Field
from tests.kit.test_problems import PotEmpty

from elevate_api.kit import i18n
from elevate_api.kit.i18n import MAX_HEADER, Catalogue, input_phrase, negotiate, phrase
from elevate_api.kit.problems import FieldError, Problem
from elevate_api.kit.schemas import Schema

WORDS = Catalogue(
    titles={"POT_EMPTY": "Teko kosong"},
    details={"POT_EMPTY": "Tehnya habis."},
    texts={
        "{cups} cups of {tea} are left.": "Tersisa {cups} cangkir {tea}.",
        "green tea": "teh hijau",
        "Drunk.": "Sudah diminum.",
    },
    input={"missing": "Wajib diisi", "less_than_equal": "Paling banyak {le}"},
)


class Order(Schema):
    cups: int = Field(le=9)
    tea: str


@pytest.fixture(autouse=True)
def _indonesian_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(i18n, "_catalogues", {"id": WORDS})


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("id", "id"),
        ("id-ID", "id"),
        ("ID-id", "id"),
        ("id-Latn-ID", "id"),
        ("in", "id"),
        ("in-ID", "id"),
        ("en-GB", "en"),
        ("ms", "en"),
        ("idx", "en"),
        ("id,en;q=0.9", "id"),
        ("en-US,en;q=0.9,id;q=0.8", "en"),
        ("en;q=0.2, id;q=0.8", "id"),
        ("en;q=0.7,id-ID;q=0.8,id;q=0.5", "id"),
        ("fr, id;q=0.1", "id"),
        ("en, id", "en"),
        ("id, en", "id"),
        ("*", "en"),
        ("*, id", "id"),
        ("id;q=0.5, *;q=0.5", "id"),
        ("id;q=0.5, *", "en"),
        ("en;q=0, *", "id"),
        ("en;q=0, *;q=0", "en"),
        ("id;q=0", "en"),
        ("id;q=0.000, en;q=0.001", "en"),
        ("id ; q=0.9 ,\ten;q=0.8", "id"),
        ("id;Q=0.9,en;q=0.8", "id"),
        ("id;q=1.000,en", "id"),
    ],
)
def test_the_best_quality_decides_then_the_order_then_english(header: str, language: str) -> None:
    assert negotiate(header, {"id"}) == language


@pytest.mark.parametrize(
    "header",
    [
        "id;q=2", "id;q=-1", "id;q=1.5", "id;q=nan", "id;q=0.1234", "id;q=", "id;q", "id;level=1", "id q=1", "id_ID",
        "id-", "-id", ";;;,,,", "id;q=1;q=1", "i\u0131d", "\x00id", "id;q=\u0661", "id\xa0", "*-id",
    ],
)  # fmt: skip
def test_a_malformed_range_says_nothing(header: str) -> None:
    assert negotiate(header, {"id"}) == "en"
    assert negotiate(f"{header},id;q=0.1", {"id"}) == "id"


def test_only_the_start_of_a_long_header_is_read() -> None:
    assert negotiate("id," + "fr," * 100_000, {"id"}) == "id"
    assert negotiate(" " * MAX_HEADER + ",id", {"id"}) == "en"
    assert negotiate("a" * 1_000_000, {"id"}) == "en"
    assert negotiate("fr," * 60 + "id", {"id"}) == "en"
    cut = "fr;q=0.1," + "x" * (MAX_HEADER - 11) + ",id-ID-x"
    assert negotiate(cut, {"id"}) == "en", "half a range is no range"


def test_what_no_catalogue_offers_is_answered_in_english() -> None:
    assert negotiate("id", set()) == "en"


def test_a_phrase_is_its_english_text_and_translates_by_its_template() -> None:
    left = phrase("{cups} cups of {tea} are left.", cups=2, tea="green tea")

    assert left == "2 cups of green tea are left."
    assert WORDS.text(left) == "Tersisa 2 cangkir teh hijau."
    assert Catalogue().text(left) == left


def test_what_is_filled_in_is_cut_and_never_read_as_a_template() -> None:
    left = phrase("{cups} cups of {tea} are left.", cups=1, tea="{cups.__class__}" + "x" * 1000)

    assert WORDS.text(left).startswith("Tersisa 1 cangkir {cups.__class__}xx")
    assert len(WORDS.text(left)) < 250


def test_a_text_stays_english_when_it_is_unknown_or_its_values_are_missing() -> None:
    assert WORDS.text("Nobody translated this.") == "Nobody translated this."
    assert WORDS.text(input_phrase("Too much", "less_than_equal", {})) == "Too much"


def test_a_detail_with_values_adds_no_member_to_the_problem() -> None:
    plain = PotEmpty("Drunk.").document(language="id")
    filled = PotEmpty(phrase("{cups} cups of {tea} are left.", cups=2, tea="oolong")).document(language="id")

    assert filled["detail"] == "Tersisa 2 cangkir oolong."
    assert plain["detail"] == "Sudah diminum."
    assert filled.keys() == plain.keys()


def test_a_problem_without_a_language_is_english() -> None:
    assert PotEmpty().document()["title"] == "The pot is empty"


async def test_the_language_changes_words_and_nothing_else(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/tea")
    async def tea() -> None:
        raise PotEmpty(errors=[FieldError("/tea", "green tea")], headers={"Vary": "Origin"}, cups_left=0)

    english = await client.get("/tea", headers={"X-Request-ID": "a"})
    other = await client.get("/tea", headers={"X-Request-ID": "a", "Accept-Language": "id-ID,en;q=0.5"})

    words = {"title": "Teko kosong", "detail": "Tehnya habis.", "errors": [{"pointer": "/tea", "message": "teh hijau"}]}
    assert other.json() == {**english.json(), **words}
    assert english.json()["title"] == "The pot is empty"
    assert (english.headers["content-language"], other.headers["content-language"]) == ("en", "id")
    for answer in (english, other):
        assert [part.strip() for part in answer.headers["vary"].split(",")] == ["Origin", "Accept-Language"]


async def test_several_lines_of_the_header_are_one_list(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/tea")
    async def tea() -> None:
        raise PotEmpty

    answer = await client.get("/tea", headers=[("Accept-Language", "en;q=0.5"), ("Accept-Language", "id")])
    assert answer.json()["title"] == "Teko kosong"


async def test_faults_of_the_input_are_translated_by_their_type(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.post("/orders")
    async def order(order: Order) -> None:
        raise AssertionError(order)

    answer = await client.post("/orders", json={"cups": 10}, headers={"Accept-Language": "id"})
    assert answer.json()["errors"] == [
        {"pointer": "/cups", "message": "Paling banyak 9"},
        {"pointer": "/tea", "message": "Wajib diisi"},
    ]


async def test_the_document_is_english_whoever_asks_first(app: FastAPI, client: httpx.AsyncClient) -> None:
    @app.get("/tea", responses={409: {"description": "x"}})
    async def tea() -> None:
        raise Problem

    document = (await client.get("/openapi.json", headers={"Accept-Language": "id"})).json()
    examples = document["paths"]["/tea"]["get"]["responses"]["500"]["content"]["application/problem+json"]["examples"]
    assert examples["INTERNAL_ERROR"]["value"]["title"] == "Internal error"
