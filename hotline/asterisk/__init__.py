"""The exchange: find or build Asterisk, render its configuration, run an instance of it."""
