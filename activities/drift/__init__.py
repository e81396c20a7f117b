"""Watch that promoted changes stay in place: what is looked at, written and shown."""
