"""Azure DevOps, Services and Server, as an SCM host."""
