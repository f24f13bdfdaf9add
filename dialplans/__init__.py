"""The admin's room: numbers, prompts, dialplans as text, and what works on them."""
