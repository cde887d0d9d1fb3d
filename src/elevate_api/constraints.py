"""The one table from what the database refuses, by constraint name, to the problem that answers it."""

from elevate_api.attachments.errors import CONSTRAINTS as ATTACHMENTS
from elevate_api.badges.errors import CONSTRAINTS as BADGES
from elevate_api.kajabi.errors import CONSTRAINTS as KAJABI
from elevate_api.kit.problems import ConstraintProblems
from elevate_api.review.errors import CONSTRAINTS as REVIEW
from elevate_api.submissions.errors import CONSTRAINTS as SUBMISSIONS
from elevate_api.users.errors import CONSTRAINTS as USERS

CONSTRAINTS: ConstraintProblems = {**USERS, **SUBMISSIONS, **ATTACHMENTS, **BADGES, **REVIEW, **KAJABI}
