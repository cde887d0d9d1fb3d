"""The manual's deploy scripts as procedures: each step is said, a failure stops and says the way back."""
