"""Stand-ins for the model: one that can be scripted, and one that is real but tiny."""

# What the scripted one is called on a ladder. (Here, for who starts it has no `simmer`.)
MODELS = ("stand-in-small", "stand-in-large")
