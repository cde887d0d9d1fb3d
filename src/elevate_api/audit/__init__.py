"""Who changed what: a row for every change, in the transaction of the change."""
