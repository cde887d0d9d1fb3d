"""Backend of the LEAPS Tracker."""
