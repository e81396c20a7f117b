"""Workflows: deterministic decisions. They import activity contracts and models, and each other, nothing else."""
