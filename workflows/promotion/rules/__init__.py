"""What a promotion decides by: pure functions of its state and of what was read, without Temporal."""
