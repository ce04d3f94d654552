"""Orders: what organisations ask for, and their steps."""
