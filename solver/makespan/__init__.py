"""Public scheduling problems with a makespan: flexible job shops and projects.

Apart from the allocation of a park: everything must be done, and as soon as possible.
"""
