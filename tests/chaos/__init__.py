"""Many promotions under many SIGKILLs, judged from journal and resources alone."""
