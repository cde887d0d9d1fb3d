"""What an operator's procedure (backup, restore, import, deploy) has in common with the others: how it fails."""


class ProcedureFailed(Exception):
    """A procedure cannot go on. The message is for the operator: what is wrong and what to do, in a sentence."""
