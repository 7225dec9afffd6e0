"""`make bench-poll`: what a start and a call cost, in instructions."""
