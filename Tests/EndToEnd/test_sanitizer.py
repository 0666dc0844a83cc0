"""What a sanitizer finds in a process of a test fails that test, with the report in its message."""

import os
import pathlib
import subprocess
import sys

import pytest

from harness import geodirector, sanitizer

HERE = pathlib.Path(__file__).resolve().parent

# Programs that do what a sanitizer finds, and the words of its report.
GUILTY = {
    "a leak": ("address", "LeakSanitizer: detected memory leaks", """
#include <stdlib.h>
void *volatile kept;
int main(void) { kept = malloc(77); kept = 0; return 0; }
"""),
    "a use after the end": ("address", "AddressSanitizer: heap-use-after-free", """
#include <stdlib.h>
int main(void) { char *volatile bytes = malloc(8); free((void *)bytes); return bytes[3]; }
"""),
    "a race": ("thread", "ThreadSanitizer: data race", """
#include <pthread.h>
long shared;
static void *add(void *argument) { for (int i = 0; i < 1000; i++) shared++; return argument; }
int main(void) {
  pthread_t one, two;
  pthread_create(&one, 0, add, 0);
  pthread_create(&two, 0, add, 0);
  pthread_join(one, 0);
  pthread_join(two, 0);
  return 0;
}
"""),
}
# As the tests do: a node is started, and its exit status is not always looked at.
CASE = """
import subprocess

def test_that_starts_the_program():
    subprocess.run([{program!r}])

def test_that_starts_nothing():
    pass
"""


def build(folder: pathlib.Path, source: str, *options: str) -> pathlib.Path:
    (folder / "program.c").write_text(source)
    program = folder / "program"
    subprocess.run(["gcc", "-g", *options, "-o", program, folder / "program.c", "-lpthread"], check=True)
    return program


def run_case(folder: pathlib.Path, kind: str, program: pathlib.Path) -> subprocess.CompletedProcess:
    """The suite's own configuration and conftest.py, with tests of one program."""
    (folder / "test_case.py").write_text(CASE.format(program=str(program)))
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GEODIRECTOR"))}
    command = [sys.executable, "-m", "pytest", "-c", HERE / "pytest.ini", "--rootdir", HERE, "-p", "conftest",
               "-o", f"cache_dir={folder}/cache", folder / "test_case.py"]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=HERE, timeout=60,
        env=environment | {"GEODIRECTOR_SANITIZER": kind, "PYTHONPATH": str(HERE), "TMPDIR": str(folder)})


@pytest.mark.parametrize("name", GUILTY)
def test_a_report_fails_the_test_it_happened_in_and_no_other(tmp_path, name):
    kind, words, source = GUILTY[name]
    done = run_case(tmp_path, kind, build(tmp_path, source, f"-fsanitize={kind}"))
    assert done.returncode == 1 and "2 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert words in done.stdout and "ERROR at teardown of test_that_starts_the_program" in done.stdout, done.stdout


@pytest.mark.parametrize("kind", sanitizer.NAMES)
def test_a_program_without_fault_passes(tmp_path, kind):
    done = run_case(tmp_path, kind, build(tmp_path, "int main(void) { return 0; }\n", f"-fsanitize={kind}"))
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("kind", sanitizer.NAMES)
def test_a_program_built_without_the_sanitizer_is_told_apart(tmp_path, kind):
    source = "int main(void) { return 0; }\n"
    assert sanitizer.is_built_under(kind, build(tmp_path, source, f"-fsanitize={kind}"))
    assert not sanitizer.is_built_under(kind, build(tmp_path, source))


SWIFT = """
import Glibc
import Synchronization

final class Shared: @unchecked Sendable {
  let started = Atomic<Int>(0)
  let guarded = Mutex<[Int]>([])
  var open = 0
}
let shared = Shared()
func add() {
  // Both run at the same time, also where there is one core; relaxed, so that this orders nothing.
  shared.started.wrappingAdd(1, ordering: .relaxed)
  while shared.started.load(ordering: .relaxed) < 2 { sched_yield() }
  for number in 0..<20_000 { CHANGE }
}
var threads: [pthread_t] = []
for _ in 0..<2 {
  var thread = pthread_t()
  pthread_create(&thread, nil, { _ in add(); return nil }, nil)
  threads.append(thread)
}
for thread in threads { pthread_join(thread, nil) }
"""


@pytest.mark.parametrize("change, outcome", [
    ("shared.guarded.withLock { if $0.count > 100 { $0 = [] } else { $0.append(number) } }", "2 passed"),
    ("shared.open ^= number", "1 error")], ids=["guarded by a mutex", "guarded by nothing"])
def test_what_a_mutex_of_swift_guards_is_no_race(tmp_path, change, outcome):
    """Threads that wait for each other do so in a library that the sanitizer does not see: Tests/ThreadSanitizer/mutex.c tells it."""
    mutex, source, program = tmp_path / "mutex.o", tmp_path / "main.swift", tmp_path / "program"
    subprocess.run(["clang", "-c", HERE.parent / "ThreadSanitizer/mutex.c", "-o", mutex], check=True)
    source.write_text(SWIFT.replace("CHANGE", change))
    subprocess.run(["swiftc", "-O", "-g", "-suppress-warnings", "-swift-version", "5", "-sanitize=thread", source, "-Xlinker", mutex, "-o", program], check=True)
    done = run_case(tmp_path, "thread", program)
    assert outcome in done.stdout and (" race (pid=" in done.stdout) == ("error" in outcome), done.stdout + done.stderr


@pytest.mark.parametrize("kind, workers", [("thread", 2), ("address", 1), (None, 1)])
def test_nodes_have_two_workers_where_races_are_looked_for_and_one_in_tests_that_say_so(monkeypatch, kind, workers):
    monkeypatch.delenv("GEODIRECTOR_SANITIZER", raising=False)
    if kind:
        monkeypatch.setenv("GEODIRECTOR_SANITIZER", kind)
    assert geodirector.workers() == workers
    with geodirector.one_worker():
        assert geodirector.workers() == 1
    assert geodirector.workers() == workers


@pytest.mark.one_worker("this is that")
def test_a_test_that_counts_on_one_worker_gets_one(monkeypatch):
    monkeypatch.setenv("GEODIRECTOR_SANITIZER", "thread")
    assert geodirector.workers() == 1


def test_reports_from_within_another_root_come_out(monkeypatch, tmp_path):
    monkeypatch.setenv("GEODIRECTOR_SANITIZER", "thread")
    outside, root = tmp_path / "reports", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    monkeypatch.setenv("TSAN_OPTIONS", f"log_path={outside}/report:exitcode=66")
    with sanitizer.reports_within(root):
        (root / outside.relative_to("/") / "report.7").write_text("a race")
    assert (outside / "report.7.within").read_text() == "a race"
