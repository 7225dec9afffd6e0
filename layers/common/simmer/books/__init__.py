"""What was spent, and how long jobs took, by day, task and model."""
