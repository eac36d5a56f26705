"""Models as the bytes of their files, and back."""

import io

from fastdnn import load, save


def stored(model, **options):
    file = io.BytesIO()
    save(model, file, **options)
    return file.getvalue()


def again(model, **options):
    return load(io.BytesIO(stored(model, **options)))
