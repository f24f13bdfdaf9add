"""The evidence pack of one ticket: everything that shows what was done, with hashes, as a zip."""
