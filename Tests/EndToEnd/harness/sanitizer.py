"""Runs of the suite with a program built under a sanitizer (Tests/sanitize): GEODIRECTOR_SANITIZER=address or thread chooses the
build (.build-address, .build-thread), every process reports to files, and a test in which one reported fails."""

import contextlib
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


def _options(kind: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in os.environ.get(f"{kind}SAN_OPTIONS", "").split(":"))


@contextlib.contextmanager
def reports_within(root: pathlib.Path):
    """Processes whose root is `root` write their reports to the same path, which is another folder there: it is made, and what is in it
    comes to where `Reports` looks, in the end."""
    if not chosen():
        yield
        return
    outside = pathlib.Path(_options(chosen()[0].upper())["log_path"]).parent
    inside = root / outside.relative_to("/")
    inside.mkdir(parents=True)
    inside.chmod(0o777)
    yield
    for report in inside.iterdir():
        # Not the same name: the report of a process that began before it had this root stands there.
        shutil.copyfile(report, outside / f"{report.name}.within")


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
