"""GitLab CI as a CI system."""
