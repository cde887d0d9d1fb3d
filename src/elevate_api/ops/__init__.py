"""What operators do: migrate, check, look."""
