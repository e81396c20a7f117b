"""GitHub, GitHub Enterprise Cloud and Server as an SCM host."""
