"""Reference data, the first administrator, and a believable demo."""
