"""`simmer-admin`: what an operator does to a deployed Simmer. docs/runbook.md says when."""
