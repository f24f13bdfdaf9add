"""Case work (工单)."""
