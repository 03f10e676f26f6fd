"""The model that is tuned."""
