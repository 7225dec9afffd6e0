"""Simmer's common layer: the job, its transitions, and what the functions share."""
