"""What others wrote of the hosts, held against requests, parsers and stand-ins; `make conformance` runs it."""
