"""The local environment: a real Temporal server, a real Kubernetes API server, vendor stand-ins and our processes."""
