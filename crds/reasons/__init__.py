"""Every reason that Pilotage publishes, with its meaning: `docs/reference/conditions.md` is made of it. Pure."""
