"""Where personal data is: each column of each table is either in a person's export or left out for a reason.

A test holds this page against the database, so a column that somebody adds fails it until it stands here.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Section:
    """A list of the export: these columns of the rows of `table` that `where` finds for the person `$1`."""

    name: str
    table: str
    columns: tuple[str, ...]
    where: str
    order: str = "created_at, id"
    also: str = ""
    """Further selected expressions, such as a name from another table."""

    @property
    def sql(self) -> str:
        selected = ", ".join((*self.columns, *filter(None, (self.also,))))
        return f"SELECT {selected} FROM {self.table} WHERE {self.where} ORDER BY {self.order}"


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


PERSON = Section(
    "person",
    "users",
    _names(
        "id handle name email email_verified role avatar_url region school cohort show_on_leaderboard "
        "kajabi_contact_id suspended_at erase_at erased_at clerk_updated_at created_at updated_at"
    ),
    "id = $1",
)

_OWN_SUBMISSIONS = "(SELECT id FROM submissions WHERE user_id = $1)"

SECTIONS = (
    Section(
        "submissions",
        "submissions",
        _names(
            "id user_id activity_code status version visibility payload peers_trained students_trained reviewer_id "
            "review_note points_awarded adjustment_reason reviewed_at revoked_by revoked_at revoke_reason files_added "
            "created_at updated_at"
        ),
        "user_id = $1",
    ),
    Section(
        "attachments",
        "submission_attachments",
        _names("id submission_id filename content_type size_bytes sha256 storage_key completed_at created_at"),
        f"submission_id IN {_OWN_SUBMISSIONS}",
    ),
    Section(
        "points",
        "points_ledger",
        _names("id user_id activity_code source delta_points external_event_id event_time created_at"),
        "user_id = $1",
    ),
    Section(
        "adjustments",
        "point_adjustments",
        _names("id user_id activity_code delta_points reason created_by created_at"),
        "user_id = $1",
    ),
    Section(
        "badges",
        "earned_badges",
        _names("user_id badge_code earned_at awarded_by"),
        "user_id = $1",
        order="earned_at, badge_code",
    ),
    Section(
        "kajabiEvents",
        "kajabi_events",
        _names(
            "id body event_type contact_id email tag user_id status points_awarded duplicate_of attempts "
            "next_attempt_at error event_time processed_at created_at"
        ),
        "user_id = $1 OR user_id IS NULL AND (contact_id = (SELECT kajabi_contact_id FROM users WHERE id = $1)"
        " OR email = (SELECT lower(email) FROM users WHERE id = $1 AND email_verified))",
    ),
    Section(
        "clerkEvents",
        "clerk_events",
        _names("svix_id event_type user_id outcome event_time created_at"),
        "user_id = $1",
        order="created_at, svix_id",
    ),
    Section(
        "auditTrail",
        "audit_log",
        _names("id actor_id action target_type target_id details request_id created_at"),
        "actor_id = $1 OR target_id = $1 AND target_type = 'user'"
        f" OR target_type = 'submission' AND target_id IN (SELECT id::text FROM {_OWN_SUBMISSIONS} AS own)",
    ),
    Section(
        "repeatableRequests",
        "idempotency_keys",
        _names("user_id key status_code headers body created_at expires_at"),
        "user_id = $1",
        order="created_at, key",
    ),
    # What staff did about others: what they wrote themselves, and no more of those others than an id.
    Section(
        "decisions",
        "submissions",
        _names("id status review_note points_awarded adjustment_reason reviewed_at"),
        "reviewer_id = $1",
        order="reviewed_at, id",
    ),
    Section(
        "revocations",
        "submissions",
        _names("id revoke_reason revoked_at"),
        "revoked_by = $1",
        order="revoked_at, id",
    ),
    Section(
        "adjustmentsMade",
        "point_adjustments",
        _names("id activity_code delta_points reason created_at"),
        "created_by = $1",
    ),
    Section(
        "badgesAwarded",
        "earned_badges",
        _names("badge_code earned_at"),
        "awarded_by = $1",
        order="earned_at, badge_code",
    ),
    Section(
        "reviewClaims",
        "review_claims",
        _names("submission_id reviewer_id claimed_at expires_at"),
        "reviewer_id = $1",
        order="claimed_at, submission_id",
    ),
)

LEFT_OUT: Mapping[str, str] = {
    "kajabi_events.body_sha256": "a fingerprint of `body`, which is there",
    "points_ledger.stamp": "the number of the transaction that wrote the row",
    "idempotency_keys.request_hash": "a fingerprint of a request of one's own",
}
"""Columns of tables with personal data that say nothing about a person."""

IMPERSONAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "alert_events": ("what went wrong, counted", _names("id rule count last_at evidence counted created_at")),
    "alert_notices": (
        "notices of alerts, to addresses in the settings",
        _names("id alert_id channel message attempts next_attempt_at delivered_at given_up_at error created_at"),
    ),
    "alert_samples": ("use of connection pools", _names("process pool_size pool_in_use sampled_at")),
    "alert_silences": (
        "maintenance; the id of the administrator who silenced stands in their audit trail too",
        _names("id rule starts_at ends_at reason created_by created_at"),
    ),
    "alerts": (
        "the state of the rules; the id of the administrator who acknowledged stands in their audit trail too",
        _names(
            "id rule severity title status since opened_at last_seen_at resolved_at acknowledged_at acknowledged_by "
            "count summary evidence announced noticed_at looked_at"
        ),
    ),
    "activities": (
        "the catalogue of stages",
        _names("code name description position default_points points_cap per_peer_points per_student_points"),
    ),
    "alembic_version": ("the schema's revision", ("version_num",)),
    "analytics_refreshes": (
        "records of refreshes",
        _names(
            "id job_id view_name triggered_by started_at finished_at row_count ok error fingerprint inputs unchanged"
        ),
    ),
    "app_settings": ("limits and switches", _names("key value description updated_at")),
    "attachment_removals": (
        "keys of files that are being removed; a key says nothing about its owner",
        _names("storage_key upload_until due_at created_at"),
    ),
    "badges": ("the catalogue of badges", _names("code name description icon_url criteria active created_at")),
    "ledger_seals": (
        "digests of batches of ledger rows, by the rows' ids",
        _names("number previous digest row_count first_id last_id ids marks sealed_at reason accepted"),
    ),
    "rate_limit_windows": (
        "requests of the last minutes, by digests of who asked",
        _names("account number used expires_at"),
    ),
    "score_histogram": ("how many people have a score", _names("period points people")),
    "stage_totals": (
        "sums over everybody",
        _names(
            "activity_code points entries people_with_points submissions pending approved rejected withdrawn revoked "
            "participants reviews review_seconds peers_reached students_reached micro_credentials"
        ),
    ),
    "day_totals": (
        "sums over everybody",
        _names("day activity_code submissions approved rejected points entries people"),
    ),
    "user_totals_rows": (
        "sums over a person's points and submissions, counted from rows that are exported",
        _names(
            "user_id on_board cohort school total_points entries reached_at points_30d entries_30d learn_points "
            "explore_points amplify_points present_points shine_points submissions approved pending stages_submitted"
        ),
    ),
    "submission_changes": (
        "notes for the next fold of the totals, gone within seconds",
        _names("stamp user_id activity_code status made_at reviewed_at peers students sign added"),
    ),
    "people_changes": ("notes for the next fold of the totals, gone within seconds", _names("user_id")),
    "grant_changes": ("notes for the next fold of the totals, gone within seconds", _names("sign")),
    "rebuild_requests": ("reasons to count the totals anew", _names("reason")),
    "totals_state": (
        "up to where the totals are folded",
        _names(
            "singleton folded base own_stamp system_identifier timezone first_day swept_to "
            "as_of version_all version_30d version_people version_ledger version_submissions ledger_folded swept "
            "submissions_folded people_folded rebuilt_at rebuilt_because"
        ),
    ),
    "job_runs": ("records of jobs", _names("id name triggered_by started_at finished_at ok outcome error")),
}
"""Tables that hold nothing about anybody, with every column that was looked at."""
