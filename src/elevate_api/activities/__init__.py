"""The stages of LEAPS and what they are worth."""
