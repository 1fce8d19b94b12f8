"""What the guidance scale does."""
