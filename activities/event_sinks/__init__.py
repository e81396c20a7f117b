"""What happens to promotions, for receivers outside the cluster: who is sent what, and as which document."""
