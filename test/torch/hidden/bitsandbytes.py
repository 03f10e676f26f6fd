"""Stands in the way of the one that is installed."""

raise ImportError("hidden")
