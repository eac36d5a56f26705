"""What the two estimators share; imported on demand, as it imports scikit-learn."""

from fastdnn._config import scikit_learn

scikit_learn()
