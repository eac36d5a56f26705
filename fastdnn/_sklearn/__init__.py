"""What the two estimators share; imported by who asks for them, for scikit-learn is."""
