"""tap.py REQUESTS ANSWERS COMMAND ARG...: runs the command and keeps what goes in and out of it in the two files.

It ends as the command does; what ends it ends the command.
"""

import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress


def copy(source, target, kept):
    # A reader that has gone hears no more; what was said is kept up to there.
    with open(kept, "wb") as file, suppress(BrokenPipeError):
        while piece := os.read(source, 1 << 16):
            file.write(piece)
            file.flush()
            while piece:
                piece = piece[os.write(target, piece) :]
    os.close(target)


def main(requests, answers, command):
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: child.terminate())
    child_in, child_out = os.dup(child.stdin.fileno()), child.stdout.fileno()
    child.stdin.close()
    # The client may keep its end open after the command has ended.
    threading.Thread(target=copy, args=(0, child_in, requests), daemon=True).start()
    out = threading.Thread(target=copy, args=(child_out, 1, answers))
    out.start()
    status = child.wait()
    out.join()
    sys.exit(status if status >= 0 else 128 - status)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
