"""What must be true of the data at any moment, a file each; checked daily, by `elevate check` and by administrators."""

from elevate_api.ops.invariants.amplify_early_warning import AmplifyEarlyWarning
from elevate_api.ops.invariants.amplify_quota import AmplifyQuota
from elevate_api.ops.invariants.attachments_have_submissions import AttachmentsHaveSubmissions
from elevate_api.ops.invariants.badges_follow_awards import BadgesFollowAwards
from elevate_api.ops.invariants.base import Invariant
from elevate_api.ops.invariants.events_are_unique import EventsAreUnique
from elevate_api.ops.invariants.ledger_follows_causes import LedgerFollowsCauses
from elevate_api.ops.invariants.ledger_is_guarded import LedgerIsGuarded
from elevate_api.ops.invariants.ledger_seal_holds import LedgerSealHolds
from elevate_api.ops.invariants.one_active_learn import OneActiveLearn
from elevate_api.ops.invariants.people_have_handles import PeopleHaveHandles
from elevate_api.ops.invariants.points_are_usual import PointsAreUsual
from elevate_api.ops.invariants.points_have_people import PointsHavePeople
from elevate_api.ops.invariants.somebody_is_superadmin import SomebodyIsSuperadmin
from elevate_api.ops.invariants.stage_caps import StageCaps
from elevate_api.ops.invariants.submissions_have_people import SubmissionsHavePeople
from elevate_api.ops.invariants.superadmin_can_sign_in import SuperadminCanSignIn
from elevate_api.ops.invariants.totals_follow_ledger import TotalsFollowLedger
from elevate_api.ops.invariants.views_follow_ledger import ViewsFollowLedger

INVARIANTS: tuple[Invariant, ...] = (
    PeopleHaveHandles(),
    SubmissionsHavePeople(),
    PointsHavePeople(),
    AttachmentsHaveSubmissions(),
    OneActiveLearn(),
    EventsAreUnique(),
    AmplifyQuota(),
    StageCaps(),
    LedgerIsGuarded(),
    LedgerSealHolds(),
    LedgerFollowsCauses(),
    BadgesFollowAwards(),
    TotalsFollowLedger(),
    ViewsFollowLedger(),
    SomebodyIsSuperadmin(),
    SuperadminCanSignIn(),
    AmplifyEarlyWarning(),
    PointsAreUsual(),
)
"""The manual's daily health check first, then what it checks elsewhere, then ours; warnings last."""
