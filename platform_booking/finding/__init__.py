"""Free time: searched across resources, and offered where something was refused."""
