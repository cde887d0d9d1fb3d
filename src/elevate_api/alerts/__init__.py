"""The manual's thresholds as alert rules: watched, remembered, told to somebody, and cleared by themselves."""
