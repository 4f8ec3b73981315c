"""Threads, forks, processes, servers and event loops around one model: always the right answer."""

from collections.abc import Iterator

from benchmarks.campaign.outcome import Effort, Outcome
from benchmarks.campaign.scripts import answer, counted

__all__ = ["concurrency"]

COMMON = """
import asyncio, json, os, socket, sys, threading, time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
import numpy as np
import tinytensor as tt

TIMES = int(sys.argv[1])
rng = np.random.default_rng(0)
X = rng.standard_normal((300, 64), np.float32)

def net(seed=0):
    return tt.Sequential(tt.Linear(64, 80, seed=seed), tt.relu, tt.Linear(80, 40, seed=seed + 1), tt.tanh,
                         tt.Linear(40, 10, seed=seed + 2), tt.softmax)

def rows(i):
    n = (1, 3, 17, 100, 300)[i % 5]
    return slice(i % (301 - n), i % (301 - n) + n)

def right(model, expected, i):
    # a batch whose size and place vary, on a number of threads that varies
    return np.array_equal(model.predict(X[rows(i)], threads=1 + i % 3), expected[rows(i)])

def tell(found, note=""):
    found = list(found)
    print(json.dumps({"right": sum(found), "wrong": len(found) - sum(found), "note": note}), flush=True)
"""
ONE_MODEL = """
@tt.activation
def fresh(x):  # compiled by the first call, which all threads make at once
    return x / (1 + abs(x)) + 0.25

model = tt.Sequential(tt.Linear(64, 80, seed=0), fresh, tt.Linear(80, 10, seed=1), tt.softmax)
barrier, found = threading.Barrier(8), []

def call(k):
    barrier.wait()
    return [(i, model.predict(X[rows(i)], threads=1 + i % 3)) for i in range(k, k + TIMES)]

with ThreadPoolExecutor(8) as pool:
    answers = list(pool.map(call, range(8)))
expected = model(X, fused=False).numpy()
tell(np.array_equal(y, expected[rows(i)]) for each in answers for i, y in each)
"""
MANY_MODELS = """
models = [net(seed) for seed in range(8)]
expected = [model(X, fused=False).numpy() for model in models]
barrier = threading.Barrier(8)

def call(k):
    barrier.wait()
    return [right(models[(i + k) % 8], expected[(i + k) % 8], i) for i in range(TIMES)]

with ThreadPoolExecutor(8) as pool:
    tell(each for found in pool.map(call, range(8)) for each in found)
"""
CHANGING = """
model, states = net(), [net(seed).state_dict() for seed in range(4)]
expected = []
for state in states:
    model.load_state_dict(state)
    expected.append(model(X, fused=False).numpy())
done = threading.Event()

def change():
    i = 0
    while not done.is_set():
        model.load_state_dict(states[i % 4])
        i += 1

def call(k):
    found = []
    for i in range(TIMES):
        y = model.predict(X[rows(i)], threads=1 + i % 3)
        found.append(any(np.array_equal(y, each[rows(i)]) for each in expected))
    return found

changer = threading.Thread(target=change)
changer.start()
with ThreadPoolExecutor(8) as pool:
    found = [each for several in pool.map(call, range(8)) for each in several]
done.set()
changer.join()
tell(found)
"""
FORK_AFTER_USE = """
model = net()
expected = model(X, fused=False).numpy()
model.predict(X, threads=3)
found = []
for k in range(max(4, TIMES // 20)):
    child = os.fork()
    if child == 0:
        os._exit(0 if all(right(model, expected, i) for i in range(20)) else 1)
    found += [os.waitpid(child, 0)[1] == 0, right(model, expected, k)]
tell(found)
"""
FORK_DURING_USE = """
model = net()
expected = model(X, fused=False).numpy()
done, parents = threading.Event(), []

def use():
    i = 0
    while not done.is_set():
        parents.append(right(model, expected, i))
        i += 1

users = [threading.Thread(target=use) for _ in range(3)]
for each in users:
    each.start()
found = []
for k in range(max(4, TIMES // 20)):
    child = os.fork()
    if child == 0:
        os._exit(0 if all(right(model, expected, i) for i in range(20)) else 1)
    found.append(os.waitpid(child, 0)[1] == 0)
done.set()
for each in users:
    each.join()
tell(found + parents)
"""
PRE_FORK = """
model = net()
expected = model(X, fused=False).numpy()
model.predict(X, threads=2)  # the parent warms up, then forks its workers
server = socket.create_server(("127.0.0.1", 0), backlog=64)
workers = []
for _ in range(4):
    child = os.fork()
    if child == 0:
        while True:
            with server.accept()[0] as connection:
                i = int.from_bytes(connection.recv(4), "little")
                connection.sendall(model.predict(X[rows(i)], threads=1 + i % 3).tobytes())
    workers.append(child)

def ask(i):
    with socket.create_connection(server.getsockname()) as connection:
        connection.sendall(i.to_bytes(4, "little"))
        got = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    return got == expected[rows(i)].tobytes()

with ThreadPoolExecutor(8) as pool:
    found = list(pool.map(ask, range(TIMES)))
for each in workers:
    os.kill(each, 9)
    os.waitpid(each, 0)
tell(found)
"""
ASYNCIO = """
model = net()
expected = model(X, fused=False).numpy()

async def main():
    several = (asyncio.to_thread(right, model, expected, i) for i in range(TIMES))
    return await asyncio.gather(*several)

tell(asyncio.run(main()))
"""
IN_PROCESSES = """
if __name__ == "__main__":
    import multiprocessing
    from benchmarks.campaign import elsewhere
    model = net()
    expected = model(X, fused=False).numpy()
    model.predict(X, threads=2)
    jobs = [(X[rows(i)], 1 + i % 3) for i in range(max(8, TIMES // 10))]
    {pool}
    tell(np.array_equal(y, expected[rows(i)]) for i, y in enumerate(answers))
"""
FUTURES = """
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("{method}")) as pool:
        answers = list(pool.map(elsewhere.predict, *zip(*jobs), chunksize=4))
"""
JOBLIB = """
    import joblib
    with joblib.parallel_config("{method}", n_jobs=2):
        answers = joblib.Parallel()(joblib.delayed(elsewhere.predict)(*job) for job in jobs)
"""
NESTED = """
model = net()
expected = model(X, fused=False).numpy()
right(model, expected, 4)
before = len(os.listdir("/proc/self/task"))
most, done = [before], threading.Event()

def watch():
    while not done.is_set():
        most[0] = max(most[0], len(os.listdir("/proc/self/task")))
        time.sleep(0.001)

watcher = threading.Thread(target=watch)
watcher.start()
with ThreadPoolExecutor(4) as pool:
    predicted = pool.map(lambda i: model.predict(X[rows(i)]), range(TIMES))
    found = [np.array_equal(y, expected[rows(i)]) for i, y in enumerate(predicted)]
done.set()
watcher.join()
allowed = before + 4 + 1 + tt.get_num_threads() - 1  # the caller's pool, who watches, and one team's helpers
tell(found + [most[0] <= allowed, tt.get_num_threads() == int(os.environ["EXPECTED"])],
     f"{most[0]} threads, allowed {allowed}, each call may use {tt.get_num_threads()}")
"""
IDLE = """
from tinytensor import threads
from tinytensor.kernels.mailbox import ALIVE, ASLEEP, SLOT, SLOTS, STARTED

def tasks():
    return set(os.listdir("/proc/self/task"))

def scheduled(helpers):  # state, and how often the system let each one run
    lines = [line for task in helpers for line in open(f"/proc/self/task/{task}/status")]
    return [line for line in lines if line.startswith(("State:", "voluntary_", "nonvoluntary_"))]

def asleep(lines):
    return all("(sleeping)" in line for line in lines if line.startswith("State:"))

before, model = tasks(), net()
found = []
for _ in range(3):
    for i in range(50):
        model.predict(X, threads=3)
    box, helpers = threads.team.box.view(np.int64), sorted(tasks() - before)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        marked = sum(box[SLOTS + SLOT * i + ASLEEP] for i in range(box[STARTED]))
        if marked == 2 and asleep(scheduled(helpers)):
            break
        time.sleep(0.01)
    begin = scheduled(helpers)
    time.sleep(1)
    found += [len(helpers) == 2, box[ALIVE] == 2, asleep(begin), scheduled(helpers) == begin]

def runs(lines):
    return sum(int(line.split()[1]) for line in lines if "switches" in line)

times = runs(scheduled(helpers)) - runs(begin)
tell(map(bool, found), f"{len(helpers)} helpers, {box[ALIVE]} alive, run {times} times in a second")
"""


def cases() -> Iterator[tuple[str, str, dict[str, str]]]:
    """What is tried, the script, and its environment."""
    yield "one model, 8 threads, the call that compiles included", ONE_MODEL, {}
    yield "8 models, 8 threads", MANY_MODELS, {}
    yield "8 threads while another loads parameters", CHANGING, {}
    yield "fork after use", FORK_AFTER_USE, {}
    yield "fork while 3 threads predict", FORK_DURING_USE, {}
    yield "a pre-fork server of 4 workers", PRE_FORK, {}
    yield "asyncio.to_thread", ASYNCIO, {}
    for method in ("fork", "spawn", "forkserver"):
        body = IN_PROCESSES.format(pool=FUTURES.strip().format(method=method))
        yield f"concurrent.futures, {method}", body, {}
    for method in ("loky", "threading", "multiprocessing"):
        yield f"joblib, {method}", IN_PROCESSES.format(pool=JOBLIB.strip().format(method=method)), {}
    for variable in ("TINYTENSOR_NUM_THREADS", "OMP_NUM_THREADS"):
        other = {"TINYTENSOR_NUM_THREADS": "", "OMP_NUM_THREADS": "", variable: "2", "EXPECTED": "2"}
        yield f"in the caller's pool of 4 threads, {variable}=2", NESTED, other
        yield (
            f"in the caller's pool of 4 threads, {variable}=1",
            NESTED,
            other | {variable: "1", "EXPECTED": "1"},
        )
    yield "helpers without work do not run", IDLE, {}
    yield "helpers without work do not run, TINYTENSOR_SPIN=0", IDLE, {"TINYTENSOR_SPIN": "0"}


def concurrency(effort: Effort) -> Outcome:
    """Each case in a process of its own."""
    outcome = Outcome()
    for what, script, environment in cases():
        if "import joblib" in script and answer('import joblib; print("{}")').get("failed"):
            outcome.left_out.append(f"{what}: joblib is not installed")
            continue
        count = outcome.count(what)
        found = answer(COMMON + script, str(effort.of(100, 1000)), **environment)
        counted(count, found)
        count.note = count.note or found.get("note", "")
    return outcome
