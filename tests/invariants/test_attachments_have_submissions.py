from tests.invariants.conftest import Look, Superuser

ORPHAN = """
    INSERT INTO submission_attachments (submission_id, filename, content_type, size_bytes, sha256, storage_key)
    VALUES (gen_random_uuid(), 'a.pdf', 'application/pdf', 1, repeat('a', 64), 'a')
"""


async def test_an_orphaned_file_is_found(look: Look, superuser: Superuser) -> None:
    assert (await look("attachments_have_submissions")).count == 0
    await superuser(
        ORPHAN,
    )
    assert (await look("attachments_have_submissions")).count == 1
