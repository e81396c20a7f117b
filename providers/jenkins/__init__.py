"""Jenkins as a CI system."""
