"""The torch engine: the trainer program in Python, speaking the trainer protocol over stdio."""
