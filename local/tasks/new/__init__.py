"""What `make new-task` writes."""
