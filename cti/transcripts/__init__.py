"""What was said in recordings: kept for search and for quality work."""
