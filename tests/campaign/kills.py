"""Kill processes while they save, and look at what is left: the old file or the new one, whole.

    python tests/campaign/kills.py --kills 1000

A process saves networks of one shape over one file, as fast as it can, each filled with its number;
SIGKILL comes after a time that is drawn. The file then must be a network, of one number, and never
an older one than that of which the process has said that it is saved.
"""

import argparse
import os
import random
import signal
import tempfile
import time
from pathlib import Path

import numpy as np

from fastdnn import Network, load


def save_on(path, number, pipe):
    """Save one network after the other, until this process is killed."""
    net = Network([200, 100, 10], dtype="float32", init=0.0)
    while True:
        for view in net.parameters.values():
            view[...] = number
        net.save(path, training_state=True)
        os.write(pipe, b"%d\n" % number)
        number += 1


def killed(path, number, random):
    """Start a process, kill it, and return the last number that it has said."""
    pipe, end = os.pipe()
    child = os.fork()
    if not child:
        try:
            save_on(path, number, end)
        finally:
            os._exit(1)
    os.close(end)
    with os.fdopen(pipe, "rb") as said:
        first = said.readline()  # it has begun
        time.sleep(random.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            raise AssertionError("a process that saves has ended by itself")
        # a line that was cut off was not said
        return int((first + said.read()).rpartition(b"\n")[0].splitlines()[-1])


def number_of(path):
    """Read the number that fills a file's network."""
    values = {float(value) for view in load(path).parameters.values() for value in np.unique(view)}
    if len(values) != 1:
        raise AssertionError(f"{path} holds parts of several networks: {sorted(values)[:5]}")
    return int(values.pop())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    drawn, left, number = random.Random(arguments.seed), 0, 0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        path = Path(folder) / "net.safetensors"
        for kill in range(arguments.kills):
            said = killed(path, number, drawn)
            found = number_of(path)
            if not said <= found <= said + 1:
                raise AssertionError(f"kill {kill}: {found} is in the file, but {said} was saved")
            number = found + 1
            parts = [other for other in path.parent.iterdir() if other != path]
            left += len(parts)
            for other in parts:
                other.unlink()
    print(
        f"{arguments.kills} kills during {number} saves: the old file or the new one was whole each"
        f" time; {left} had left a temporary file"
    )


if __name__ == "__main__":
    main()
