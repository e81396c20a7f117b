"""Activities: the typed vocabulary of workflows, and its thin implementations over provider ports."""
