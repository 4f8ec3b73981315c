"""A worker process's own side: `python -m benchmarks.child CORES` answers questions until stdin ends.

A question is a pickled function with its arguments, an answer a pickled pair: whether it went well, and what
came out. What a peer prints goes to stderr.
"""

import ctypes
import os
import pickle
import signal
import sys

PR_SET_PDEATHSIG = 1  # of <sys/prctl.h>


def end_with_parent() -> None:
    """Have the system kill this process with its parent: a stopped process does not see that stdin ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    end_with_parent()
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    cores = [int(core) for core in sys.argv[1].split(",") if core]
    if cores:
        os.sched_setaffinity(0, cores)  # before anything is imported that counts cores
    while True:
        try:
            function, arguments = pickle.load(questions)
        except EOFError:
            return
        except Exception as error:
            answer = False, f"{type(error).__name__}: {error}"
        else:
            try:
                answer = True, function(*arguments)
            except Exception as error:
                answer = False, f"{type(error).__name__}: {error}"
        pickle.dump(answer, answers)
        answers.flush()


if __name__ == "__main__":
    main()
