"""The night and the morning: snapshot, allocation, review, approval, publication."""
