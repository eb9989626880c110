"""The command ``novaproxy``, also as ``python -m novaproxy``."""

import signal


def main() -> None:
    """Run one command and exit."""
    # While the commands are being imported nothing is begun: Ctrl-C then ends the process without a word.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from novaproxy.cli import main as run  # noqa: PLC0415 -- after the line above

    run()


if __name__ == "__main__":
    main()
