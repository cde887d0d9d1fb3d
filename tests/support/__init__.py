"""What tests share: the run's server, tokens, factories, races."""
