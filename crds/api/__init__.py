"""The Kubernetes API as Pilotage uses it: one port, the only client, mirrors and status writes."""
