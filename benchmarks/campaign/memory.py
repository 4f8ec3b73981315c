"""Memory: none is lost over many calls, streams hold their bound, a failed allocation harms nothing."""

from benchmarks.campaign.outcome import Effort, Outcome
from benchmarks.campaign.scripts import answer, counted

__all__ = ["memory"]

COMMON = """
import gc, json, os, resource, sys
import numpy as np
import tinytensor as tt

def own():  # bytes of this process's own memory; pages of a mapped file belong to the file
    with open("/proc/self/status") as file:
        found = dict(line.split(":", 1) for line in file)
    return int(found["RssAnon"].split()[0]) << 10

def net(features=64):
    return tt.Sequential(tt.Linear(features, 80, seed=0), tt.relu, tt.LayerNorm(80),
                         tt.Linear(80, 10, seed=1), tt.softmax)

def tell(found, note=""):
    found = [bool(each) for each in found]
    print(json.dumps({"right": sum(found), "wrong": len(found) - sum(found), "note": note}))
"""
GROWTH = """
times, kind = int(sys.argv[1]), sys.argv[2]
X = np.random.default_rng(0).standard_normal((300, 64), np.float32)
model = net()
expected = model.predict(X)

def once(i):
    n = 1 + i * 7 % 300
    if kind == "predict":
        return np.array_equal(model.predict(X[:n], threads=1 + i % 3), expected[:n])
    if kind == "not fused":
        return np.array_equal(model(X[:n], fused=False), expected[:n])
    if kind == "parameters":
        model[0].bias = np.full(80, i % 5, np.float32)
        return model.predict(X[:n]).shape == (n, 10)
    try:
        model.predict(X[:n, :63])
    except tt.ShapeError:
        return True

# with parameters that change, an allocator takes 2 MB in the first 10,000 calls and then no more
for i in range(max(min(times, 2000), times // 5)):
    once(i)
gc.collect()
before = own()
found = [once(i) for i in range(times)]
gc.collect()
grown = own() - before
# an allocator keeps some pages; what leaks at each call, were it 100 bytes, is more than this
allowed = (1 << 20) + 10 * times
tell([*found, grown <= allowed], f"{grown / 1e6:+.2f} MB over {times:,} calls")
"""
STREAM = """
gigabytes, how = float(sys.argv[1]), sys.argv[2]
path, features = sys.argv[3], 1024
rows = int(gigabytes * 1e9) // (4 * features)
with open(path, "wb") as file:
    file.truncate(rows * features * 4)  # sparse: it takes no room on the disk
x = np.memmap(path, np.float32, "r", shape=(rows, features))
model, size = net(features), 1000
zeros = model.predict(np.zeros((1, features), np.float32))
model.predict(x[:size])
before, most, done, right = own(), 0, 0, True
if how == "predict_batches":
    for y in model.predict_batches(x, batch_size=size):
        done += len(y)
        right &= bool((y == zeros).all())
        most = max(most, own() - before)
else:
    out = np.empty((rows, 10), np.float32)
    before += out.nbytes  # which the caller asked for
    model.predict(x, batch_size=size, out=out)
    done, right, most = len(out), bool((out == zeros).all()), own() - before
os.unlink(path)
allowed = 8 * size * features * 4  # some batches
tell([right, done == rows, most <= allowed],
     f"{rows:,} rows, {most / 1e6:.1f} MB beside the map, allowed {allowed / 1e6:.0f} MB")
"""
FAILED = """
model = net()
X = np.random.default_rng(0).standard_normal((200, 64), np.float32)
expected = model.predict(X)
large = np.broadcast_to(X[0], (4_000_000, 64))
def size():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
found, raised = [], set()
for i in range(int(sys.argv[1])):
    room = (16 << 20) + i * (4 << 20)
    resource.setrlimit(resource.RLIMIT_AS, (size() + room, resource.RLIM_INFINITY))
    for call in (lambda: model.predict(large), lambda: model(large), lambda: tt.zeros((1 << 28, 4)),
                 lambda: tt.Tensor(large) @ np.ones((64, 100), np.float32)):
        try:
            call()
        except MemoryError:
            raised.add("MemoryError")
            found.append(True)
        except Exception as error:
            found.append(False)
            raised.add(f"{type(error).__name__}: {error}")
        found.append(np.array_equal(model.predict(X, threads=1 + i % 3), expected))
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
tell(found, f"raised {', '.join(sorted(raised))}")
"""


def memory(effort: Effort) -> Outcome:
    """Each case in a process of its own."""
    outcome = Outcome()
    times = str(effort.of(2000, 100_000))
    several = [(f"no growth: {kind}", GROWTH, (times, kind)) for kind in
               ("predict", "not fused", "parameters", "errors")]  # fmt: skip
    for how in ("predict_batches", "predict into out="):
        for size in effort.of(("0.2",), ("1", "10")):
            path = str(effort.scratch / "map")
            several.append((f"a memory map of {size} GB, {how}", STREAM, (size, how.split()[0], path)))
    several.append(("an allocation that fails", FAILED, (str(effort.of(5, 50)),)))
    for what, script, arguments in several:
        count = outcome.count(what)
        found = answer(COMMON + script, *arguments)
        counted(count, found)
        count.note = count.note or found.get("note", "")
    return outcome
