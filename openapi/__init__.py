"""openapi.json, made from the code."""
