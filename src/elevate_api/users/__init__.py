"""People, and the guards that let them in."""
