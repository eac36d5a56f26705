"""Code in a process of its own, so that a hang or a crash is a failure of one test."""

import os
import subprocess
import sys
import textwrap


def run_apart(code, *arguments, timeout=120, **environment):
    """Run code, and return what it prints; -P leaves the folder it stands in off its path."""
    run = subprocess.run(
        [sys.executable, "-P", "-c", textwrap.dedent(code), *arguments],
        timeout=timeout, capture_output=True, encoding="utf-8", env=os.environ | environment,
    )  # fmt: skip
    assert run.returncode == 0, f"{run.returncode} {run.stderr[-3000:]}"
    return run.stdout


def run_with_children(code, **options):
    """Run code amidst which a timer's signal forks: `children` has their ids, and all end well."""
    before = """
import os
import signal
children = []
signal.signal(signal.SIGALRM, lambda *_: children.append(os.fork()))
"""
    after = """
assert children
for child in children:
    assert os.waitpid(child, 0)[1] == 0
"""
    return run_apart(before + textwrap.dedent(code) + after, PYTHONWARNINGS="ignore", **options)
