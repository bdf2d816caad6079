"""The `harness` command, also as `python -m harness`."""

# Built into Python. `signal` would first import enum, while Ctrl-C still shows a traceback.
import _signal  # type: ignore[import-not-found]


def end_silently() -> None:
    """While modules are imported, let Ctrl-C end the process as SIGTERM does: no traceback.

    Before this line Python itself starts, and says so if it is interrupted.
    """
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)


def main() -> None:
    end_silently()
    from harness.cli.main import main as command

    command()


if __name__ == "__main__":
    main()
