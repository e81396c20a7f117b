"""Definitions, admission policies, roles and reference pages, all made from the models."""
