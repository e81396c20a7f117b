"""Custom resources: models, rules and the controller that watches them.

Everything here is pure except `crds.api.kubernetes`, the only module that imports the Kubernetes client.
"""
