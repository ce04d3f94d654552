"""Measurements of the service: `make bench BENCH=solver` and its like. See README.md."""
