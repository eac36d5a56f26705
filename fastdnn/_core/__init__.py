"""The compiled network, and nothing of what is above it."""
