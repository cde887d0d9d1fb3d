"""The inbox of the learning management system."""
