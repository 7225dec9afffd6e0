"""One file a task, each with a `TASK`. Write yours, and nothing else has to know of it."""
