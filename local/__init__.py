"""The whole stack on one machine: `make run`, and the ground the tests stand on."""
