"""Allocation of jobs to shared resources: frozen data in, frozen data out.

Integers only, no clock, no database. The one door is :func:`solver.solve.solve`;
the words are those of the resource-constrained project scheduling literature.
"""
