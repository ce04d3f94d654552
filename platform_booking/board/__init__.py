"""The schedule board: what is held when, each viewer seeing as much as is his to see."""
