"""Web hooks: other systems are told what happens to tickets, and nothing is lost on the way."""
