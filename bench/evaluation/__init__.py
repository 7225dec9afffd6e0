"""`make eval TASK=…`: how good a task's prompt is on the models that are to answer it."""
