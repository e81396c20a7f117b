"""Version v1alpha1 of the API group pilotage.dev: one module per kind, the single source of each CRD."""
