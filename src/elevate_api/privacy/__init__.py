"""What a person may ask about their own data: all of it, and that it goes."""
