"""Every problem of the service in English and Indonesian; what is missing in a catalogue is found in the source."""

import ast
import re
from collections.abc import Awaitable, Callable, Iterator
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pydantic_core._pydantic_core import list_all_errors

import elevate_api
import elevate_api.app
from elevate_api import locales
from elevate_api.features import FEATURES
from elevate_api.kit import i18n
from elevate_api.kit.i18n import Catalogue, phrase
from elevate_api.kit.problems import Problem, registry

SOURCE = Path(elevate_api.__file__).parent
INDONESIAN = Catalogue.read(locales.FOLDER / "id.json")
OURS = {code: kind for code, kind in registry().items() if kind.__module__.startswith("elevate_api.")}

MADE_ELSEWHERE = {
    "kit/problems/handlers.py: error.detail": "Starlette's own words about a request it refuses itself",
    "kit/problems/handlers.py: None if error.detail in {default, 'Not Found'} else error.detail": "as above",
    "kajabi/service.py: str(error)": "a reason of kajabi/payload.py",
    "kit/strict_json.py: _TOO_DEEP": "a phrase of its module",
    "kit/strict_json.py: _place(error)": "a phrase of its module",
    "kit/problems/common.py: message": "FieldError of ValidationFailed.at, whose callers are looked at",
    "kit/problems/validation.py: message_of(item)": "translated by the type of the error",
    "submissions/service.py: message_of(fault)": "translated by the type of the error",
    "kit/strict_json.py: message": "texts of _faults and _fault, below",
    "cli/patience.py: self._refused": "what is no HTTP asks for no language, and reaches no layer that would translate",
}
"""Texts that are no constants where they are raised, and why each is known all the same."""

YIELDED = {
    "kit/strict_json.py": {"_faults", "_fault"},
}
REASONS = {"kajabi/payload.py": {"UnknownShape", "NotJson"}, "clerk/messages.py": {"Unreadable"}}
"""Exceptions whose text is filled into a detail."""

PYTHON_ONLY = re.compile(
    r"arguments|argument|callable|complex|dataclass|default_factory|deque|ellipsis|fraction|frozen|"
    r"get_attribute|is_instance|is_subclass|iterable|iteration|missing_sentinel|named_tuple|needs_python|no_such|"
    r"ordered_dict|counter|recursion_depth|set_item|bytes_invalid|union_tag|value_error|assertion_error"
)
"""Types of errors that no JSON and no query can cause here, or that carry words of ours."""


@pytest.fixture(autouse=True)
def _offered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the service offers, given back afterwards: other tests may count on none."""
    monkeypatch.setattr(i18n, "_catalogues", {})
    locales.install()


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            yield ast.unparse(called), node


@cache
def _problem_names() -> frozenset[str]:
    def below(kind: type[Problem]) -> Iterator[type[Problem]]:
        for child in kind.__subclasses__():
            yield child
            yield from below(child)

    return frozenset(kind.__name__ for kind in below(Problem)) - {"TokenRefused"} | {"Problem", "kind"}


def _text_of(name: str, call: ast.Call) -> ast.expr | None:
    """The expression of a text for people that this call is given."""
    last = name.rpartition(".")[2]
    if (name.endswith(".at") and name.rpartition(".")[0] in _problem_names()) or last == "FieldError":
        return call.args[1]
    if last == "phrase" or (last in _problem_names() and call.args):
        return call.args[0]
    return (
        next((keyword.value for keyword in call.keywords if keyword.arg == "detail"), None)
        if (last in _problem_names())
        else None
    )


def _local_phrases(tree: ast.AST) -> set[str]:
    """Names that are given a phrase; its template is found at the call of `phrase` itself."""
    return {
        ast.unparse(target)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and ast.unparse(node.value.func) == "phrase"
        for target in node.targets
    }


def _raised(path: Path) -> Iterator[tuple[str, ast.expr]]:
    tree, name = ast.parse(path.read_text()), path.relative_to(SOURCE).as_posix()
    known = _local_phrases(tree)
    for called, call in _calls(tree):
        text = _text_of(called, call)
        if called in REASONS.get(name, ()) and call.args:
            text = call.args[0]
        is_phrase = isinstance(text, ast.Call) and ast.unparse(text.func) == "phrase"
        if text is not None and not is_phrase and ast.unparse(text) not in known:
            yield name, text
    if name.endswith(("schemas.py", "payloads.py")) and not name.startswith("seeds"):
        yield from ((name, call.args[0]) for called, call in _calls(tree) if called == "ValueError")
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef) and function.name in YIELDED.get(name, ()):
            yield from (
                (name, node) for node in ast.walk(function) if isinstance(node, ast.Constant) and _is_sentence(node)
            )


def _is_sentence(node: ast.Constant) -> bool:
    return isinstance(node.value, str) and node.value.startswith(("is ", "has ", "must "))


def _sources() -> list[Path]:
    return sorted(path for path in SOURCE.rglob("*.py") if path.name != "i18n.py")


def _untranslated() -> Iterator[str]:
    for path in _sources():
        for name, text in _raised(path):
            if isinstance(text, ast.Constant):
                if text.value is not None and text.value not in INDONESIAN.texts:
                    yield f"{name}:{text.lineno} {text.value!r} has no translation"
            elif f"{name}: {ast.unparse(text)}" not in MADE_ELSEWHERE and not _is_forwarded_reason(name, text):
                yield f"{name}:{text.lineno} {ast.unparse(text)} should be a phrase"


def _is_forwarded_reason(name: str, text: ast.expr) -> bool:
    return name == "kajabi/payload.py" and ast.unparse(text).startswith("f'not JSON (")


def test_every_text_that_is_raised_has_an_indonesian_one() -> None:
    assert list(_untranslated()) == []


def test_the_search_for_texts_finds_them() -> None:
    found = {text.value for path in _sources() for _, text in _raised(path) if isinstance(text, ast.Constant)}
    assert {
        "The submission was withdrawn by its owner.",
        "is required to reject",
        "must not be 0",
        "The file was announced as {kind}.",
        "must be a date, as in 2025-01-31",
        "is an integer outside 64 bits",
        "no event of Clerk's",
    } <= found


def test_the_catalogue_has_no_text_that_nobody_says() -> None:
    said = {text.value for path in _sources() for _, text in _raised(path) if isinstance(text, ast.Constant)}
    decoder = {
        text for text in INDONESIAN.texts if text.startswith(("Expecting", "Extra", "Illegal", "Invalid", "Unte"))
    }
    assert set(INDONESIAN.texts) - said - decoder - set(FEATURES.values()) == set()


@pytest.mark.parametrize("code", sorted(OURS))
def test_each_code_has_its_words_in_both_languages(code: str) -> None:
    kind = OURS[code]
    english, indonesian = kind().document(language="en"), kind().document(language="id")

    assert (english["title"], english["detail"]) == (kind.title, kind.detail)
    assert (indonesian["title"], indonesian["detail"]) == (INDONESIAN.titles[code], INDONESIAN.details[code])
    for member in ("title", "detail"):
        assert indonesian[member] != english[member]
    assert indonesian | {"title": 0, "detail": 0} == english | {"title": 0, "detail": 0}


def test_the_catalogue_has_no_code_that_does_not_exist() -> None:
    assert INDONESIAN.titles.keys() == INDONESIAN.details.keys() == OURS.keys()


def test_translations_fill_in_what_their_english_texts_have() -> None:
    for english, indonesian in INDONESIAN.texts.items():
        assert _placeholders(indonesian) == _placeholders(english), english


def test_what_pydantic_says_of_input_is_translated() -> None:
    templates: dict[str, str] = {error["type"]: error["message_template_python"] for error in list_all_errors()}
    reachable = {kind for kind in templates if not PYTHON_ONLY.search(kind)}

    assert reachable - INDONESIAN.input.keys() == set()
    for kind, words in INDONESIAN.input.items():
        assert _placeholders(words) <= _placeholders(templates[kind]), kind


def _placeholders(template: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(template) if name}


@pytest.mark.parametrize("feature", sorted(FEATURES))
def test_a_feature_that_is_off_is_named_in_indonesian(feature: str) -> None:
    text = phrase("{what}: switched off for the moment. Everything else works.", what=FEATURES[feature])
    assert (
        INDONESIAN.text(text)
        == f"{INDONESIAN.texts[FEATURES[feature]]}: sedang dinonaktifkan. Fitur lainnya tetap berfungsi."
    )


async def test_a_caller_from_indonesia_reads_indonesian(client: httpx.AsyncClient) -> None:
    answer = await client.get("/api/me", headers={"Accept-Language": "id-ID,id;q=0.9,en-US;q=0.8,en;q=0.7"})

    assert answer.status_code == 401
    assert answer.headers["content-language"] == "id"
    assert "Accept-Language" in answer.headers["vary"]
    body = answer.json()
    assert (body["code"], body["type"]) == ("UNAUTHENTICATED", "/problems/unauthenticated")
    assert (body["title"], body["detail"]) == ("Anda harus masuk", "Diperlukan token bearer yang valid.")


async def test_faults_of_a_submission_are_named_in_indonesian(as_user: Callable[..., Awaitable[Any]]) -> None:
    caller = await as_user()
    payload = {"peersTrained": "x", "studentsTrained": 3, "sessionDate": "yesterday", "extra": 1}
    given = {"activityCode": "AMPLIFY", "payload": payload}
    english = await caller.post("/api/submissions", json=given)
    answer = await caller.post("/api/submissions", json=given, headers={"Accept-Language": "in"})

    assert answer.status_code == english.status_code == 422
    assert answer.json()["title"] == "Validasi gagal"
    faults = {fault["pointer"]: fault["message"] for fault in answer.json()["errors"]}
    assert [fault["pointer"] for fault in english.json()["errors"]] == list(faults)
    assert faults["/payload/extra"] == "Isian tambahan tidak diizinkan"
    assert faults["/payload/peersTrained"].startswith(("Harus", "harus"))


async def test_results_of_a_bulk_decision_are_in_the_language_of_the_request(
    as_user: Callable[..., Awaitable[Any]],
) -> None:
    reviewer = await as_user("REVIEWER")
    decisions = [{"id": str(uuid4()), "decision": "approve"}, {"id": str(uuid4()), "decision": "reject"}]
    answer = await reviewer.post("/api/review/bulk", json={"decisions": decisions}, headers={"Accept-Language": "id"})

    missing, noteless = (result["problem"] for result in answer.json()["results"])
    assert (missing["code"], missing["title"]) == ("NOT_FOUND", "Tidak ditemukan")
    assert noteless["errors"] == [{"pointer": "/note", "message": "wajib diisi untuk menolak"}]


@pytest.mark.parametrize(
    "header",
    [
        b"", b",,,;;;", b"id;q=9e99999", b"\xff\xfe\x00", b"id;q=" + b"9" * 5000, b"id," * 20_000, b"*" * 60_000,
        b"a-" * 30_000, b"{0.__class__}", b" \t" * 5000 + b"id", b"id;q=0.5;" * 5000,
    ],
)  # fmt: skip
async def test_no_header_makes_an_answer_fail(client: httpx.AsyncClient, header: bytes) -> None:
    answer = await client.get("/api/nothing", headers=[(b"Accept-Language", header)])

    assert answer.status_code == 404
    assert answer.json()["code"] == "NOT_FOUND"
    assert answer.headers["content-language"] in {"en", "id"}
