"""Activities: the typed vocabulary that workflows speak, and its thin implementations over provider ports."""
