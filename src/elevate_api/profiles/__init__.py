"""What a person has achieved: their own dashboard, and what everybody may see."""
