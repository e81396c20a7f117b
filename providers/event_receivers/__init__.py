"""Receivers of events outside the cluster: brokers of CloudEvents, and webhooks."""
