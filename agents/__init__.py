"""The humans: presence, desks, sign-in, and what their screens are told."""
