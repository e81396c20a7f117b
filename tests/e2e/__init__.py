"""Promotions from end to end, on real servers; the package is the scope of their environment."""
