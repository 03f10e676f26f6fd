"""Random numbers and batches."""
