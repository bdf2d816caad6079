"""The `harness` command, also as `python -m harness`."""

import signal


def main() -> None:
    # While modules are imported, Ctrl-C ends the process as SIGTERM does: without a traceback.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from harness.cli import main as command

    command()


if __name__ == "__main__":
    main()
