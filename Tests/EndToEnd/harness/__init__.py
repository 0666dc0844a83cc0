"""Runs networks of real processes and watches what their users see."""
