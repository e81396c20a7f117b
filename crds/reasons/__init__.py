"""Every reason that Pilotage publishes, with its meaning: pages of the reference are made of it. Pure."""
