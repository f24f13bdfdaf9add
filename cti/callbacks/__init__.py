"""Promises to call a citizen back."""
