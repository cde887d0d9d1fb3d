"""Does the ledger say what its causes say? And bring back what is missing, exactly.

Every ledger row has a permanent cause (shared/domain.md): a decision, a revocation, a Kajabi grant, an adjustment. The
name of the cause, `external_event_id`, is a key here; what the causes want of a key is compared with what the ledger
has under it. docs/decisions/ledger-recovery.md says why it is done this way.
"""
