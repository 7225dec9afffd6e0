"""What the task files say of themselves, read anew each time."""
