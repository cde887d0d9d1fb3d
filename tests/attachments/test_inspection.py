import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.attachments.conftest import CSV, KINDS, PDF, PNG

from elevate_api.attachments.inspection import EICAR, Inspection, Refusal
from elevate_api.attachments.names import ContentType


def verdict(content: bytes, kind: str, *, size: int | None = None, sha256: str | None = None, step: int = 7) -> object:
    digest = sha256 or hashlib.sha256(content).hexdigest()
    inspection = Inspection(ContentType(kind), len(content) if size is None else size, digest)
    for start in range(0, len(content), step):
        inspection.feed(content[start : start + step])
    return inspection.verdict()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_known_by_its_bytes(kind: str) -> None:
    assert verdict(KINDS[kind], kind) is None


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("claimed", KINDS)
def test_no_kind_passes_as_another(kind: str, claimed: str) -> None:
    assert (verdict(KINDS[kind], claimed) is None) is (kind == claimed)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"MZ\x90\0" + b"\0" * 60, "application/pdf"),
        (b"MZ%PDF-1.7", "application/pdf"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image/png"),
        (b"<!doctype html><script>alert(1)</script>", "text/csv"),
        (b"\xef\xbb\xbf  <html>", "text/csv"),
        (b"a,b\n\0,1\n", "text/csv"),
        ("a,b\n1,2\n".encode("utf-16"), "text/csv"),
        (b"a,b\n\xe9t\xe9,1\n", "text/csv"),
        (b"a,b\n1,\xe2\x82", "text/csv"),
        (b"GIF89a" + b"\0" * 40, "image/png"),
        (b"PK\x03\x04" + b"\0" * 40, "application/pdf"),
        (b"RIFF\x40\0\0\0WAVEfmt " + b"\0" * 40, "image/webp"),
    ],
)
def test_bytes_of_something_else_are_refused(content: bytes, kind: str) -> None:
    assert verdict(content, kind) is Refusal.KIND_DIFFERS


def test_size_and_digest_are_held_against_the_announcement() -> None:
    assert verdict(PDF, "application/pdf", size=len(PDF) + 1) is Refusal.SIZE_DIFFERS
    assert verdict(PDF, "application/pdf", sha256=hashlib.sha256(b"other").hexdigest()) is Refusal.SHA256_DIFFERS


@given(before=st.binary(max_size=50), after=st.binary(max_size=50), step=st.integers(1, 90))
def test_the_eicar_file_is_found_wherever_it_stands(before: bytes, after: bytes, step: int) -> None:
    assert verdict(before + EICAR + after, "text/csv", step=step) is Refusal.MALWARE


@given(
    st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1), st.integers(1, 9)
)
def test_any_text_is_a_table_however_it_is_cut(text: str, step: int) -> None:
    content = b"x" + text.encode()
    assert verdict(content, "text/csv", step=step) is None


def test_reading_stops_once_more_came_than_was_announced() -> None:
    inspection = Inspection(ContentType.PNG, 10, "0" * 64)
    inspection.feed(PNG[:10])
    assert not inspection.is_too_long
    inspection.feed(CSV)
    assert inspection.is_too_long
