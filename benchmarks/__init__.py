"""Measurements of the service: `make bench BENCH=plan` and its like. See README.md."""
