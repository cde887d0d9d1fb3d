from elevate_api.kit.procedures import ProcedureFailed


class BackupFailed(ProcedureFailed):
    """A backup cannot be made, read or restored."""


class Damaged(BackupFailed):
    """The file is not what was written: truncated, changed, or not a backup at all."""


class WrongKey(BackupFailed):
    """The file was encrypted with a key that is not in the settings."""
