"""File formats: problems and plans, to and from the outside world."""
