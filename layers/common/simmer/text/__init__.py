"""Text that comes from outside: what may stand in it, and strict JSON."""
