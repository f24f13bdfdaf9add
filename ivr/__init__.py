"""The caller's side: AGI, the flow a caller walks, routing."""
