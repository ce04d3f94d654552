"""Dated runs: shuttles and classes. Staff date them, change them, call them off."""
