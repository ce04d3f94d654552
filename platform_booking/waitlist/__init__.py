"""Whoever finds no room waits, and is offered what becomes free, in order and in time."""
