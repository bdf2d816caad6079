"""The `harness` command, also as `python -m harness`."""

import signal


def end_silently() -> None:
    """While modules are imported, let Ctrl-C end the process as SIGTERM does: no traceback."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    end_silently()
    from harness.cli import main as command

    command()


if __name__ == "__main__":
    main()
