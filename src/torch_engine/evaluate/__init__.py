"""Scores of base and tuned model, and the checks before the first step."""
