import pytest
from hypothesis import given
from hypothesis import strategies as st

from elevate_api.attachments.names import ENDINGS, MAX_NAME, ContentType, attachment_disposition, clean_name


@pytest.mark.parametrize(
    ("given_name", "kind", "name"),
    [
        ("certificate.pdf", "application/pdf", "certificate.pdf"),
        ("Foto kelas é.JPG", "image/jpeg", "Foto kelas é.jpg"),
        ("../../etc/passwd", "application/pdf", "passwd.pdf"),
        ("C:\\Users\\siti\\nilai.csv", "text/csv", "nilai.csv"),
        ("invoice.exe", "application/pdf", "invoice.exe.pdf"),
        ("evil\u202efdp.exe", "application/pdf", "evilfdp.exe.pdf"),
        ("a\r\nSet-Cookie: x=1.png", "image/png", "a Set-Cookie_ x=1.png"),
        ('say "hi".png', "image/png", "say _hi_.png"),
        ("...", "image/webp", "evidence.webp"),
        (".pdf", "application/pdf", "evidence.pdf"),
        ("kelas.jpeg", "image/jpeg", "kelas.jpeg"),
    ],
)
def test_a_name_is_cleaned_and_ends_as_its_kind_does(given_name: str, kind: str, name: str) -> None:
    assert clean_name(given_name, ContentType(kind)) == name


@given(st.text(max_size=300), st.sampled_from(ContentType))
def test_no_name_keeps_a_path_a_control_or_an_end_of_its_own(given_name: str, kind: ContentType) -> None:
    name = clean_name(given_name, kind)
    assert name.endswith(ENDINGS[kind])
    assert 0 < len(name) <= MAX_NAME
    assert not set(name) & set('/\\\0\r\n"<>:|?*')
    assert name.isprintable()
    assert not name.startswith(".")
    assert clean_name(name, kind) == name


@given(st.text(min_size=1, max_size=100), st.sampled_from(ContentType))
def test_a_disposition_is_one_line_of_latin_letters(given_name: str, kind: ContentType) -> None:
    header = attachment_disposition(clean_name(given_name, kind))
    assert header.startswith('attachment; filename="')
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2


def test_a_name_beyond_ascii_is_said_twice() -> None:
    assert attachment_disposition("Bukti é 报告.pdf") == (
        "attachment; filename=\"Bukti e .pdf\"; filename*=UTF-8''Bukti%20%C3%A9%20%E6%8A%A5%E5%91%8A.pdf"
    )
