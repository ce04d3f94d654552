"""Improving a plan: waves of neighbourhoods, each solved by CP-SAT beside the rest."""
