"""Events of Flux controllers: how they are read, matched and turned into commit statuses. Pure."""
