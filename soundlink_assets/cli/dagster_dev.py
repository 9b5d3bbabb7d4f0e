"""Runs `dagster dev` so that it ends with the command that started it, however that ends.

`dagster dev` asks its webserver and daemon to end through pipes, and they do not take the end of a
pipe for a request: after a SIGKILL they would stay. So this process leads a group of its own with
all that Dagster starts, and ends the group when nobody holds the other end of its pipe any more.
Started by `dev` only.
"""

import os
import runpy
import signal
import sys
import threading
import time
import warnings

GRACE_SECONDS = 20


def main() -> None:
    """Run `dagster` with the arguments after the first, which is the number of the pipe."""
    pipe = int(sys.argv[1])
    os.set_inheritable(pipe, False)
    threading.Thread(target=_end_after, args=(pipe,), daemon=True).start()
    sys.argv = ["dagster", *sys.argv[2:]]
    try:
        _ignore_advice_of_another_command()
        runpy.run_module("dagster", run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:  # during an import, where Dagster does not expect it yet
        pass
    finally:
        # Code servers and runs outlive `dagster dev` by seconds; a run marks itself as failed.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.killpg(0, signal.SIGTERM)


def _end_after(pipe: int) -> None:
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


def _ignore_advice_of_another_command() -> None:
    """`dg dev` is the same and needs a further package; the advice to use it is not for users."""
    from dagster import SupersessionWarning

    warnings.simplefilter("ignore", SupersessionWarning)
