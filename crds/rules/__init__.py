"""What a schema cannot check: how resources fit together. Pure; every error at once."""
