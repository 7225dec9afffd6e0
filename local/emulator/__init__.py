"""A stand-in for AWS on this machine, and the template deployed to it."""
