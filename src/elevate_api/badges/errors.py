from elevate_api.kit.problems import ConstraintProblems, Problem


class BadgeExists(Problem):
    status = 409
    code = "BADGE_EXISTS"
    title = "Badge exists"
    detail = "There is a badge with this code already."


CONSTRAINTS: ConstraintProblems = {"badges_pkey": lambda _: BadgeExists()}
