"""GitLab, SaaS and self-managed, as an SCM host; its CI stands on the same calls."""
