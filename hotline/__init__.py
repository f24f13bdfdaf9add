"""The application: command line and the one place that builds I/O objects."""
