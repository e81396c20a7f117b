"""GitHub Actions as a CI system."""
