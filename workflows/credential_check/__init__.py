"""Prove, again and again, that one resource's server answers and accepts its credential."""
