"""Campaigns: calls of every public door with odd arrays, states, callbacks and interrupts.

    python tests/campaign/campaign.py                        2000 calls of each quick kind
    python tests/campaign/campaign.py --seed 7 --calls 100000 --kinds functions,network
    python tests/campaign/campaign.py --seed 7 --kinds network --only 4711

The calls run in a process of their own. A call that crashes it or hangs is a fault like any other,
and the next process goes on behind it. Each is drawn from the seed, its kind and its number, and
``--only`` repeats one in this process. Ends with 1 if there was a fault.
"""

import argparse
import collections
import faulthandler
import importlib.util
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
import zlib
from pathlib import Path

# BLAS may have two threads, in calls that use it
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")
sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

# where each kind of call is, what share of the calls are made, and what they need beside SciPy
KINDS = {
    "functions": ("course", 1, ()),
    "parameters": ("course", 1, ()),
    "application": ("course", 0.5, ()),
    "passes": ("passes", 1, ()),
    "network": ("networks", 1, ()),
    "settings": ("networks", 1, ()),
    "states": ("networks", 0.5, ()),
    "writes": ("disturbed", 0.3, ()),
    "callbacks": ("disturbed", 0.3, ()),
    "interrupts": ("disturbed", 0.5, ("threadpoolctl",)),
    "teams": ("disturbed", 0.5, ()),
    "sharing": ("shared", 0.1, ()),
    "beside": ("shared", 0.1, ()),
    "estimators": ("perceptrons", 0.2, ("sklearn",)),
    "hyperparameters": ("perceptrons", 0.2, ("sklearn",)),
    "assigned": ("perceptrons", 0.3, ("sklearn",)),
    "sparse_matrices": ("perceptrons", 0.2, ("sklearn",)),
    "scorers": ("perceptrons", 0.2, ("sklearn",)),
}


def module_of(kind):
    """Import what a kind of call is written in."""
    return importlib.import_module(KINDS[kind][0])


def count(kind, calls):
    """Say how many calls of a kind are made, where so many are asked for."""
    return max(1, round(calls * KINDS[kind][1]))


def available(kind):
    """Say whether what a kind needs is installed."""
    return all(importlib.util.find_spec(name) for name in KINDS[kind][2])


# ------------------------------------------------------------------------------------------ a call


def call(kind, seed, number):
    """Make one call; raises what is wrong with it."""
    from oracle import Draw

    # a warning that a user did not ask for is a fault too
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # NumPy's BLAS computes on lanes beyond a small operand too, and that may raise a flag
        flags = "(divide by zero|overflow|invalid value) encountered in (matmul|dot)"
        warnings.filterwarnings("ignore", flags)
        getattr(module_of(kind), kind)(Draw(seed, zlib.crc32(kind.encode()), number))


def work(kinds, seed, calls, first_kind, first):
    """Make calls, and say before each which it is: what another process reads."""
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    for kind in kinds[kinds.index(first_kind) :]:
        for number in range(first if kind == first_kind else 0, count(kind, calls)):
            say("call", kind, number)
            try:
                call(kind, seed, number)
            except Exception as error:
                from oracle import FaultError

                text = f"{type(error).__name__}: {error}"
                if not isinstance(error, FaultError):
                    text = "not foreseen: " + text + "\n" + traceback.format_exc()
                elif error.__cause__ is not None:
                    text += "\n" + "".join(traceback.format_exception(error.__cause__)[-3:])
                say("fault", kind, number, text)
            except KeyboardInterrupt:
                say("fault", kind, number, "an interrupt came late")
    say("end")


def say(*words):
    """Write a line of some words."""
    line = "\t".join(str(word).replace("\\", "\\\\").replace("\n", "\\n") for word in words)
    sys.__stdout__.write(line.replace("\r", "") + "\n")
    sys.__stdout__.flush()


def _plain(word):
    return word.replace("\\n", "\n").replace("\\\\", "\\")


# ------------------------------------------------------------------------------------ the campaign


class Campaign:
    """Processes that make the calls, one after the other."""

    def __init__(self, options):
        self.options = options
        self.faults = []
        self.made = collections.Counter()
        self.slowest = (0.0, "", 0)

    def run(self):
        """Make all calls; returns how many faults there were."""
        kinds, at = self.options.kinds, (self.options.kinds[0], self.options.first)
        while at is not None:
            at = self._process(kinds, *at)
        return len(self.faults)

    def _process(self, kinds, kind, number):
        """Run a process from a call on, and say where the next is to begin, if any."""
        command = [
            sys.executable, __file__, "--worker", kind, "--first", str(number), "--kinds",
            ",".join(kinds), "--seed", str(self.options.seed), "--calls", str(self.options.calls),
        ]  # fmt: skip
        with tempfile.TemporaryFile() as errors:
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
            try:
                end = self._follow(child)
            finally:
                child.kill()
                child.wait()
            if end == "end":
                return None
            errors.seek(0)
            said = errors.read().decode(errors="replace")
        kind, number = self._at or (kind, number)
        self._fault(kind, number, f"{end}\n{said[-self.options.tail :]}")
        if self._at is None:
            return None
        number += 1
        if number >= count(kind, self.options.calls):
            kinds = kinds[kinds.index(kind) + 1 :]
            return (kinds[0], 0) if kinds else None
        return kind, number

    def _follow(self, child):
        """Read what a process says, until it ends or hangs."""
        self._at, since, rest = None, time.monotonic(), b""
        watch = selectors.DefaultSelector()
        watch.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not watch.select(self.options.patience):
                child.send_signal(signal.SIGUSR1)
                time.sleep(1)
                return "hung"
            data = os.read(child.stdout.fileno(), 1 << 16)
            if not data:
                status = child.wait()
                return f"died of {signal.Signals(-status).name}" if status < 0 else f"left {status}"
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                what, *words = line.decode(errors="replace").split("\t")
                if what == "end":
                    return "end"
                kind, number = words[0], int(words[1])
                if what == "fault":
                    if not self.options.crashes:
                        self._fault(kind, number, _plain(words[2]))
                    continue
                now = time.monotonic()
                if self._at is not None:
                    self.slowest = max(self.slowest, (now - since, *self._at))
                since = now
                self._at = (kind, number)
                self.made[kind] += 1

    def _fault(self, kind, number, text):
        self.faults.append((kind, number, text))
        print(
            f"FAULT in {kind} {number}: {text}\n"
            f"    again: --seed {self.options.seed} --kinds {kind} --only {number}",
            flush=True,
        )


def main():
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", type=int, default=2000, help="of each kind that is quick")
    parser.add_argument("--kinds", help=f"of {','.join(KINDS)}, separated by commas")
    parser.add_argument("--only", type=int, help="make this call of the one kind, and no other")
    parser.add_argument("--first", type=int, default=0, help="begin at this call of the first kind")
    parser.add_argument("--crashes", action="store_true", help="count only crashes and hangs")
    parser.add_argument("--patience", type=float, default=60, help="seconds that a call may take")
    parser.add_argument("--tail", type=int, default=6000, help="characters of a crash to show")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.kinds = options.kinds.split(",") if options.kinds else list(KINDS)
    for kind in options.kinds:
        if kind not in KINDS:
            parser.error(f"there is no kind {kind!r}, only {', '.join(KINDS)}")
    if options.only is not None:
        faulthandler.enable()
        for kind in options.kinds:
            call(kind, options.seed, options.only)
        return 0
    if options.worker:
        work(options.kinds, options.seed, options.calls, options.worker, options.first)
        return 0
    for kind in [kind for kind in options.kinds if not available(kind)]:
        options.kinds.remove(kind)
        print(f"{kind}: needs {', '.join(KINDS[kind][2])}")
    start = time.monotonic()
    campaign = Campaign(options)
    faults = campaign.run()
    made = ", ".join(f"{number} {kind}" for kind, number in campaign.made.items())
    print(f"{faults} faults in {made}: {time.monotonic() - start:.1f} s, seed {options.seed}")
    seconds, kind, number = campaign.slowest
    print(f"the slowest took {seconds:.2f} s: {kind} {number}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
