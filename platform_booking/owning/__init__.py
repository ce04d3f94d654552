"""Capacity that companies open to others: its owner may take time back."""
