"""The seal of the ledger: batches of its rows, each with a digest chained to the one before."""
