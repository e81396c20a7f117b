"""Send what happens to promotions to a receiver outside the cluster: in order, at least once."""
