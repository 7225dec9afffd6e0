"""The defences of SECURITY.md, taken away one at a time: each must fail the test that shows it."""
