import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_api.users.handles import FALLBACK, PATTERN, RESERVED, base_of, candidates, fold, is_reserved


@pytest.mark.parametrize(
    ("name", "handle"),
    [
        ("Siti Nurhaliza", "siti-nurhaliza"),
        ("  Siti   Nurhaliza, S.Pd. ", "siti-nurhaliza-spd"),
        ("José Müller-Groß", "jose-muller-gross"),
        ("Łukasz Ørsted Đặng", "lukasz-orsted-dang"),
        ("ＦＵＬＬ　ＷＩＤＴＨ", "full-width"),
        ("O'Brien d’Arc", "obrien-darc"),
        ("snake_case_42", "snake_case_42"),
        ("__x--", "x"),
        ("Iİıi", "iiii"),
        ("x" * 50, "x" * 30),
        ("abcdefghijklmnopqrstuvwxyz123 5678", "abcdefghijklmnopqrstuvwxyz123"),
        ("王小明", ""),
        ("\x00\ud800", ""),
        ("", ""),
    ],
)
def test_names_are_folded(name: str, handle: str) -> None:
    assert fold(name) == handle


@pytest.mark.parametrize(
    ("names", "base"),
    [
        (("Siti", "siti99"), "siti"),
        ((None, "siti99"), "siti99"),
        (("Ed", "edward"), "edward"),
        (("王小明", None), FALLBACK),
        ((None, None), FALLBACK),
    ],
)
def test_the_first_name_that_gives_a_handle_is_taken(names: tuple[str | None, ...], base: str) -> None:
    assert base_of(*names) == base


def test_suffixes_follow_the_plain_handle() -> None:
    tried = candidates("siti", random=iter(["aaaaaa", "bbbbbb", "cccccc"]).__next__)

    assert tried[:3] == ["siti", "siti-2", "siti-3"]
    assert tried[-3:] == ["siti-aaaaaa", "siti-bbbbbb", "siti-cccccc"]
    assert all(re.fullmatch("siti-[0-9a-f]{6}", handle) for handle in candidates("siti", plain=False))


@pytest.mark.parametrize("word", ["admin", "me", "api", "support", "user", FALLBACK])
def test_reserved_words_are_only_given_with_a_random_suffix(word: str) -> None:
    assert all(re.fullmatch(rf"{word}-[0-9a-f]{{6}}", handle) for handle in candidates(word))


@pytest.mark.parametrize("handle", ["admin", "admin-", "_admin", "-me-", "api"])
def test_reserved_words_are_recognised_behind_punctuation(handle: str) -> None:
    assert is_reserved(handle)


@pytest.mark.parametrize("handle", ["administration", "admin-2", "siti", "meme"])
def test_other_words_are_free(handle: str) -> None:
    assert not is_reserved(handle)


@given(st.text(), st.text())
def test_whatever_the_name_every_candidate_fits_the_rule(name: str, username: str) -> None:
    tried = candidates(base_of(name, username))

    assert all(re.fullmatch(PATTERN, handle) for handle in tried)
    assert not RESERVED & set(tried)
    assert len(set(tried)) == len(tried)
