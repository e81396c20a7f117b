"""Open what resources name, with the credentials that they may use."""
