"""The night, its publication, the scheduler, and what people do with plans."""
