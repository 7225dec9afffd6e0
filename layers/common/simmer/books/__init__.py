"""The money spent and the durations of jobs, by day, task and model."""
