"""The CP-SAT model of a part of a problem: variables, constraints, objective, search."""
