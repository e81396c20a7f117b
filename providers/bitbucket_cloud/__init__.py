"""Bitbucket Cloud as an SCM host."""
