"""`make bench-heart`: a worker with many jobs in flight, on little of a processor."""
