"""Texts from outside: what may stand in them, strict JSON, and the language that a user prefers."""
