"""The process from which decoder processes are forked, so that only it has to start and import.

Starting Python and importing Pillow and NumPy takes a third of a second of processor time, a fork
some milliseconds. `multiprocessing` has such a process too ("forkserver"), but runs the caller's
`__main__` again in each new one, so that scripts without `if __name__ == "__main__"` and notebooks
could not use it.

The template decodes no picture and reads only what its parent writes; each decoder process is a
fresh copy of it. Where processes cannot be forked, or do not end with their parent, each one
is started on its own (`DecoderProcess`).

The parent starts the template before its own large imports; only the template imports what decoding
needs.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import itertools
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence

from vecsim import system

_STATUS = struct.Struct("<q")
_MAX_MESSAGE = 1 << 16
_STREAMS = 3
"""Standard input, output and error of a decoder process."""

PROGRAM = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from vecsim.decode."
"""Unlike `multiprocessing`'s spawn this does not run the caller's `__main__` again, so scripts
without `if __name__ == "__main__"` and notebooks can use the pool."""

_TEMPLATE = PROGRAM + "template import serve; serve(int(sys.argv[2]))"

_ENVIRONMENT = {
    "OPENBLAS_NUM_THREADS": "1",  # no linear algebra happens in these processes
    "OMP_NUM_THREADS": "1",
    # glibc gives large blocks back to the kernel, which clears each page anew for the next image:
    # a sixth of the time of a photograph of 640 pixels. Keep up to 64 MB.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(64 << 20),
}

_SECRET = re.compile("TOKEN|KEY|SECRET|PASS|CREDENTIAL|AUTH|COOKIE|HEADER", re.IGNORECASE)


class ForkedProcess:
    """A process that the template forked; its parent uses it like a `subprocess.Popen`."""

    def __init__(self, template: Template, number: int, status: int) -> None:
        self._template = template
        self._number = number
        self._status = status
        self._returned: int | None = None
        self._lock = threading.Lock()

    def kill(self) -> None:
        """End the process now."""
        self._template.kill(self._number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the process has ended; returns its exit status, -N for signal N.

        Raises `subprocess.TimeoutExpired` after `timeout` seconds.
        """
        with self._lock:
            if self._returned is None:
                if timeout is not None and not system.wait_readable(self._status, timeout):
                    raise subprocess.TimeoutExpired("decoder process", timeout)
                said = os.read(self._status, _STATUS.size)
                os.close(self._status)
                # The template ends all its processes with itself.
                self._returned = _STATUS.unpack(said)[0] if said else -signal.SIGKILL
            return self._returned

    def message_of_template(self) -> str:
        """Return why the template ended, if it said so."""
        return self._template.last_message()


class Template:
    """The template as its parent uses it. All methods may be called by several threads."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start it by `command` + the number of a socket. Raises OSError if there is no such."""
        self._numbers = itertools.count()
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._messages = system.unnamed_file()
        with theirs, contextlib.ExitStack() as on_failure:
            on_failure.callback(self.forget)
            self._process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._messages,
                pass_fds=[theirs.fileno()],
                process_group=0,  # a Ctrl-C in the terminal is the parent's to handle
                env=environment,
            )
            on_failure.pop_all()

    def is_alive(self) -> bool:
        """Return whether the template has not ended."""
        return self._process.poll() is None

    def fork(self, settings_json: str, streams: Sequence[int]) -> ForkedProcess:
        """Let the template fork a decoder process with these standard streams.

        Returns at once. Raises OSError if the template has ended.
        """
        number = next(self._numbers)
        status, written = os.pipe()
        try:
            message = json.dumps({"fork": number, "settings": settings_json}).encode()
            socket.send_fds(self._control, [message], [*streams, written])
        except OSError:
            os.close(status)
            raise
        finally:
            os.close(written)
        return ForkedProcess(self, number, status)

    def kill(self, number: int) -> None:
        """End the decoder process of this number, if it has not ended."""
        with contextlib.suppress(OSError):  # the template has ended, and so have its processes
            self._control.send(json.dumps({"kill": number}).encode())

    def last_message(self) -> str:
        """Return the last line that the template wrote to standard error, "" if there is none."""
        text = system.read_at(self._messages.fileno(), 1 << 16, 0).decode(errors="replace")
        return (text.strip().splitlines() or [""])[-1]

    def close(self) -> None:
        """End the template, and with it all processes that it forked."""
        self.forget()
        self._process.kill()  # it may still be importing
        self._process.wait()

    def forget(self) -> None:
        """Close what connects this process with the template, such as after a fork."""
        self._control.close()
        self._messages.close()


# -- the template of this process -----------------------------------------------------------------

_template: Template | None = None
_template_lock = threading.Lock()


def start_early() -> None:
    """Begin to start what decoder processes are made from, while the caller prepares other things.

    Does not wait. What cannot be started now is tried again with the first image.
    """
    if system.FORKS_END_WITH_PARENT:
        with contextlib.suppress(OSError):
            started_template()


def started_template() -> Template:
    """Return the template of this process, which is started if there is none or it has ended."""
    global _template
    with _template_lock:
        if _template is None or not _template.is_alive():
            close_template()
            _template = Template(python_command(_TEMPLATE), decoder_environment())
        return _template


def close_template() -> None:
    """End the template, and with it all decoder processes, if there is one."""
    global _template
    template, _template = _template, None
    if template is not None:
        template.close()


def _forget_template() -> None:
    """Leave the template to the process that this one was forked from."""
    global _template, _template_lock
    template, _template, _template_lock = _template, None, threading.Lock()
    if template is not None:
        template.forget()


atexit.register(close_template)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_template)


def python_command(program: str) -> list[str]:
    """Return a command that runs `program` with the paths of this process, the first argument."""
    path = json.dumps([entry or os.getcwd() for entry in sys.path])
    return [sys.executable, "-P", "-c", program, path]


def decoder_environment() -> dict[str, str]:
    """Return the environment of decoder processes."""
    return {**_without_secrets(os.environ), **_ENVIRONMENT}


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those whose names look secret; no decoder needs them."""
    return {name: text for name, text in environment.items() if not _SECRET.search(name)}


# -- what runs in the template -------------------------------------------------------------------


def serve(control: int) -> None:
    """Fork a decoder process for each message of the socket `control`, until that is closed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the socket
    _load()
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    statuses: dict[int, tuple[int, int]] = {}  # by process id: the number, where its status goes
    with socket.socket(fileno=control) as parent:
        while True:
            ready, _, _ = select.select([control, ended], [], [])
            if ended in ready:
                os.read(ended, 4096)
                _report_ended(statuses)
            if control in ready:
                message, passed, _, _ = socket.recv_fds(parent, _MAX_MESSAGE, _STREAMS + 1)
                if not message:
                    os._exit(0)
                _obey(json.loads(message), passed, statuses)


def _load() -> None:
    """Import what decoder processes need, without looking for garbage, of which imports make none.

    What is there afterwards stays as it is: their garbage collector need not look at it.
    """
    gc.disable()
    from vecsim.decode.worker import load_everything

    load_everything()
    gc.freeze()
    gc.enable()


def _obey(
    order: dict[str, int | str], passed: list[int], statuses: dict[int, tuple[int, int]]
) -> None:
    """Fork a process, or kill one; a process that has ended has no entry in `statuses`."""
    if "kill" in order:
        for process, (number, _) in statuses.items():
            if number == order["kill"]:
                os.kill(process, signal.SIGKILL)
        return
    template = os.getpid()
    process = os.fork()
    if not process:
        _become_decoder(str(order["settings"]), passed[:_STREAMS], template)
    for descriptor in passed[:_STREAMS]:
        os.close(descriptor)
    statuses[process] = (int(order["fork"]), passed[_STREAMS])


def _become_decoder(settings_json: str, streams: list[int], template: int) -> None:
    """Decode in this new process, with nothing of the template open; does not return."""
    from vecsim.decode.worker import decode_tasks  # imported before the fork

    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        for target, descriptor in enumerate(streams):
            os.dup2(descriptor, target)
        os.closerange(_STREAMS, os.sysconf("SC_OPEN_MAX"))
        decode_tasks(settings_json, template)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def _report_ended(statuses: dict[int, tuple[int, int]]) -> None:
    """Write the exit status of each process that has ended to its pipe."""
    while statuses:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            return
        _, pipe = statuses.pop(process)
        with contextlib.suppress(OSError):  # the parent has closed the pipe
            os.write(pipe, _STATUS.pack(os.waitstatus_to_exitcode(status)))
        os.close(pipe)
