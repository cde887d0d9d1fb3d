from elevate_api.ops.invariants.base import SqlInvariant


class AttachmentsHaveSubmissions(SqlInvariant):
    """The manual's 'Orphaned attachments'."""

    name = "attachments_have_submissions"
    title = "Every evidence file belongs to a submission"

    statement = """
        SELECT a.id AS attachment_id, a.submission_id FROM submission_attachments a
        LEFT JOIN submissions s ON s.id = a.submission_id WHERE s.id IS NULL
    """
