from typing import ClassVar

from elevate_api.kit.problems import Problem


class ExportsBusy(Problem):
    status = 503
    code = "EXPORTS_BUSY"
    title = "Too many exports"
    detail = "As many exports as may run at once are running. Try again when one has ended."
    default_headers: ClassVar = {"Retry-After": "60"}
