"""The append-only ledger and the arithmetic of awards."""
