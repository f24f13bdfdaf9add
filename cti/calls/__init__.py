"""The call: its machine, its ledger, its clocks."""
