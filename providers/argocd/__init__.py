"""Argo CD's API server as the place where deployments are read and moved."""
