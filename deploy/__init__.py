"""What runs Pilotage: manifests and generated resources, locked requirements, and the local environment."""
