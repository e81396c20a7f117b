"""Text of others, encoded for its receiver: one small pure module per receiver, on the standard library alone."""
