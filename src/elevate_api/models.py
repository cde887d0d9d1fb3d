"""Every mapped class, so that whoever needs the whole schema (migrations, checks) has it by one import."""

from elevate_api.activities.models import Activity
from elevate_api.alerts.models import Alert, AlertEvent, AlertNotice, AlertSample, AlertSilence
from elevate_api.analytics.models import (
    AnalyticsRefresh,
    DayTotals,
    ScoreCount,
    StageTotals,
    TotalsState,
    UserTotals,
)
from elevate_api.attachments.models import AttachmentRemoval, SubmissionAttachment
from elevate_api.audit.models import AuditEntry
from elevate_api.badges.models import Badge, EarnedBadge
from elevate_api.clerk.models import ClerkEvent
from elevate_api.kajabi.models import KajabiEvent
from elevate_api.kit.app_settings import AppSetting
from elevate_api.kit.idempotency import IdempotencyKey
from elevate_api.kit.jobs import JobRun
from elevate_api.kit.shared_limits import RateLimitWindow
from elevate_api.points.models import LedgerEntry, PointAdjustment
from elevate_api.seal.models import LedgerSeal
from elevate_api.submissions.models import ReviewClaim, Submission
from elevate_api.users.models import User

MODELS = (
    Activity,
    Alert,
    AlertEvent,
    AlertNotice,
    AlertSample,
    AlertSilence,
    AnalyticsRefresh,
    AppSetting,
    AttachmentRemoval,
    AuditEntry,
    Badge,
    ClerkEvent,
    DayTotals,
    EarnedBadge,
    IdempotencyKey,
    JobRun,
    KajabiEvent,
    LedgerEntry,
    LedgerSeal,
    PointAdjustment,
    RateLimitWindow,
    ReviewClaim,
    ScoreCount,
    StageTotals,
    Submission,
    SubmissionAttachment,
    TotalsState,
    User,
    UserTotals,
)
