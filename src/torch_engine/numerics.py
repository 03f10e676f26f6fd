"""Names of the engine and of its numbers. Imports nothing, so that `hello` can be said before torch is loaded."""

protocol_version = 1
engine_name = "torch"
numerics_version = "torch-3"
"""Changes only when the same recipe on the same machine would give other numbers. A resume compares it."""
