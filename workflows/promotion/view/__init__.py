"""What people see of a promotion: pure functions of its state."""
