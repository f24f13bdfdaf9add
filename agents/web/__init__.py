"""Pages for people who work on tickets: made on the server, brought up to date by htmx."""
