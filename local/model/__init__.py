"""Stand-ins for the model: one that can be scripted, and one that is real but tiny."""
