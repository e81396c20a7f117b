"""The demonstration: one promotion on real servers, with a worker killed in the middle."""
