"""What the two estimators share; imported on demand, as it imports scikit-learn."""
