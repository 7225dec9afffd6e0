"""A job: what it is, how it is stored, who may change it, and how a request becomes one."""
