"""Call control and case work."""
