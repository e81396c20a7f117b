"""Gitea and Forgejo as SCM hosts: one API, which both programs serve."""
