"""Runs of the suite with a program built under a sanitizer (Tests/sanitize): GEODIRECTOR_SANITIZER=address or thread chooses the
build (.build-address, .build-thread), every process reports to files, and a test in which one reported fails."""

import os
import pathlib
import shutil
import tempfile

NAMES = ("address", "thread")
# How much longer than with the release build a test may wait: every bound of the harness, and each test's own time, is multiplied.
SLOWER = 5
# A function of the sanitizer's own library that the program calls: it stands in every program built under it.
_MARKS = {"address": b"__asan_init", "thread": b"__tsan_init"}
_HERE = pathlib.Path(__file__).resolve().parent


def chosen() -> str | None:
    name = os.environ.get("GEODIRECTOR_SANITIZER") or None
    assert name in (None, *NAMES), f"GEODIRECTOR_SANITIZER={name}: one of {', '.join(NAMES)}"
    return name


def slower() -> float:
    return SLOWER if chosen() else 1


def is_built_under(name: str, program: pathlib.Path) -> bool:
    """Whether a program was built under the sanitizer: one that was not would report nothing, whatever it does."""
    return _MARKS[name] in program.read_bytes()


class Reports:
    """Where the processes of one run write what their sanitizer found; `new` tells each report once."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="geodirector-sanitizer-"))
        # Programs of other users report here, too.
        self.folder.chmod(0o777)
        self._told: dict[pathlib.Path, int] = {}
        common = f"log_path={self.folder}/report:exitcode=66"
        os.environ["ASAN_OPTIONS"] = f"{common}:detect_leaks=1:detect_stack_use_after_return=0:abort_on_error=0"
        os.environ["LSAN_OPTIONS"] = f"suppressions={_HERE}/leak-suppressions.txt:print_suppressions=0"
        os.environ["TSAN_OPTIONS"] = f"{common}:halt_on_error=0:suppressions={_HERE}/thread-suppressions.txt"

    def end(self):
        """Removes the folder, unless there are reports in it."""
        if not any(path.stat().st_size for path in self.folder.iterdir()):
            shutil.rmtree(self.folder)

    def new(self) -> str:
        found = []
        for path in sorted(self.folder.iterdir()):
            text = path.read_text(errors="replace")
            if len(text) > self._told.get(path, 0):
                found.append(text[self._told.get(path, 0):])
                self._told[path] = len(text)
        return "\n".join(found)
