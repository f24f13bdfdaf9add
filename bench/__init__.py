"""One file a figure; each prints its ratio against its peer in the same run."""
