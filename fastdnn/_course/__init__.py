"""What the faces of the course share."""
