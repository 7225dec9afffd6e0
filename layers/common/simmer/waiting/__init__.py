"""The wait: how long jobs take, how far one seems to be, and when to ask again."""
