"""The map of the API: every router, a line each. Only this module imports routers."""

from elevate_api.activities.router import router as activities
from elevate_api.alerts.router import router as alerts
from elevate_api.analytics.admin_router import router as figures
from elevate_api.analytics.router import router as cron
from elevate_api.attachments.router import router as attachments
from elevate_api.attachments.store_router import router as store
from elevate_api.audit.router import router as audit
from elevate_api.backups.router import router as backups
from elevate_api.badges.admin_router import router as badge_administration
from elevate_api.badges.router import router as badges
from elevate_api.clerk.router import router as clerk
from elevate_api.console.board_router import router as board_page
from elevate_api.console.ops_kajabi_router import router as reconciliation_page
from elevate_api.console.ops_router import router as ops_page
from elevate_api.console.review_router import router as review_pages
from elevate_api.console.session_router import router as door
from elevate_api.exports.router import router as exports
from elevate_api.health.router import router as health
from elevate_api.kajabi.admin_router import router as reconciliation
from elevate_api.kajabi.router import router as kajabi
from elevate_api.leaderboards.router import router as leaderboards
from elevate_api.leaderboards.stream_router import router as live_board
from elevate_api.manual.router import router as manual
from elevate_api.metrics.router import router as metrics
from elevate_api.ops.admin_router import router as operations
from elevate_api.ops.cron_router import router as daily
from elevate_api.points.router import router as points
from elevate_api.privacy.router import router as privacy
from elevate_api.profiles.router import router as profiles
from elevate_api.retention.router import router as retention
from elevate_api.review.admin_router import router as corrections
from elevate_api.review.router import router as review
from elevate_api.submissions.router import router as submissions
from elevate_api.users.admin_router import router as people
from elevate_api.users.router import router as me

ROUTERS = (
    leaderboards,
    live_board,
    profiles,
    activities,
    badges,
    me,
    privacy,
    points,
    submissions,
    attachments,
    store,
    review,
    corrections,
    people,
    badge_administration,
    figures,
    exports,
    audit,
    operations,
    backups,
    reconciliation,
    kajabi,
    clerk,
    alerts,
    cron,
    retention,
    daily,
    health,
    metrics,
)
CONSOLE_ROUTERS = (board_page, review_pages, ops_page, reconciliation_page, door)
"""The console's pages for people. The door is the last: it answers whatever else is asked for below /console."""
MANUAL_ROUTERS = (manual,)
"""The contract as a page."""
