"""A model and its training, which every face uses."""
