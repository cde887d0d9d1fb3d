"""What can be wrong with what is asked about alerts."""

from elevate_api.kit.problems import Problem


class AlertNotFiring(Problem):
    status = 409
    code = "ALERT_NOT_FIRING"
    title = "Alert is not firing"
    detail = "Only an alert that is FIRING can be acknowledged."
