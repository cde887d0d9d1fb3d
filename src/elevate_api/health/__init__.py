"""Is the service, and the database under it, fit for traffic."""
