"""Hold the name of an installation for one cluster."""
