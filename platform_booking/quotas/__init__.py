"""Pooled quotas: what an organisation or a project may hold over a period."""
