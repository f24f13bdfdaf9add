"""The outside view: what other city systems may see of tickets, as Open311 names it."""
