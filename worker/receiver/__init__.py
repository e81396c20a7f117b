"""The receiver process: webhooks of hosts, CI systems and Argo CD become pokes of workflows."""
