"""The worker process: what it serves, and when it must not."""
