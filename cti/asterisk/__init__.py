"""Everything that speaks AMI or reads what Asterisk wrote."""
