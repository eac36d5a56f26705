"""A network's training, whatever face it has."""
