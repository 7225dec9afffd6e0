"""`make bench-cost`: what AWS charges for a job, from recorded runs of the code that ships."""
