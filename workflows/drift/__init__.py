"""Watch what was promoted through one ArgoCDInstance, so that it stays in place."""
