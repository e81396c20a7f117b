"""Why events of Flux give no commit status, shown on the CommitStatus that takes them."""
