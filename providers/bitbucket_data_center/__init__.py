"""Bitbucket Data Center as an SCM host."""
