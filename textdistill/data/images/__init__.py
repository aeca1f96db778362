"""Real images: packaged, hub and local files, formats, splits."""
