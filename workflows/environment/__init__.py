"""EnvironmentWorkflow: the state of one place, its observation and the lane in which changes take turns."""
