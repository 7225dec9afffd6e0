"""A real model that is small enough for any machine, and writes nonsense."""
