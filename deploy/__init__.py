"""How template.yaml comes to AWS: one set of parameters, byte-code, a deployment, a smoke test."""
