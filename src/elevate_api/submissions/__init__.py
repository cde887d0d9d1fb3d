"""Evidence: created, edited and withdrawn by its owner."""
