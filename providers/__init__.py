"""Providers: ports by capability with vendor-neutral values, and one adapter folder per vendor."""
