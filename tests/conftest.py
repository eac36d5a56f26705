"""What holds for every test."""

import signal


def pytest_configure():
    # a shell that starts a command in the background lets it ignore Ctrl-C
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
