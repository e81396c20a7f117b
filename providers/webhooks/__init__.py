"""Webhooks of hosts, CI systems and Argo CD: who sent one, and what it is about; all of it pure."""
