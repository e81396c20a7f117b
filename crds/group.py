"""The API group of Pilotage's kinds. Imports nothing: short commands read it without loading any model."""

GROUP = "pilotage.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
