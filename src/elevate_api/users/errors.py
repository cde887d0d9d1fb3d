"""What can be wrong with people."""

from elevate_api.auth.errors import PROBLEMS as SIGN_IN_PROBLEMS
from elevate_api.kit.problems import Conflict, ConstraintProblems, Forbidden, Problem


class UserErased(Problem):
    status = 403
    code = "USER_ERASED"
    title = "Person erased"
    detail = "This person has been erased; the account cannot be used again."


class UserSuspended(Problem):
    status = 403
    code = "USER_SUSPENDED"
    title = "Account suspended"
    detail = "This account is suspended."


class HandleTaken(Problem):
    status = 409
    code = "HANDLE_TAKEN"
    title = "Handle taken"
    detail = "This handle belongs to somebody else or is reserved."


class LastSuperadmin(Problem):
    status = 409
    code = "LAST_SUPERADMIN"
    title = "Last SUPERADMIN"
    detail = "The last SUPERADMIN cannot be demoted or erased; make somebody else one first."


class KajabiContactTaken(Problem):
    status = 409
    code = "KAJABI_CONTACT_TAKEN"
    title = "Kajabi contact taken"
    detail = "This Kajabi contact is bound to somebody else."


CALLER_PROBLEMS = (*SIGN_IN_PROBLEMS, UserErased, UserSuspended)
"""What every route with `CurrentUser` can answer."""

ROLE_PROBLEMS = (*CALLER_PROBLEMS, Forbidden)
"""What every route that asks for a role can answer."""

CONSTRAINTS: ConstraintProblems = {
    "users_handle_key": lambda _error: HandleTaken(),
    "users_last_superadmin": lambda _error: LastSuperadmin(),
    "users_kajabi_contact_id_key": lambda _error: KajabiContactTaken(),
    "idempotency_keys_owner_erased": lambda _error: UserErased(),
    "users_verified_email_key": lambda _error: Conflict("Somebody else has verified this e-mail address."),
}
