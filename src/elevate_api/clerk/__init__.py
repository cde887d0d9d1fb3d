"""What Clerk tells us about people, unasked."""
