"""The C that TLS is made of, without memory: every allocation fails once; nothing crashes, and nobody is let in who would not be otherwise."""

import subprocess

import pytest

from harness.certificates import Authority
from harness.topology import REPOSITORY

pytestmark = [pytest.mark.own, pytest.mark.timeout(300), pytest.mark.measures("it has allocations of its own")]
FUNCTIONS = ("malloc", "calloc", "realloc", "strdup", "strndup")
SOURCE = REPOSITORY / "Tests/EndToEnd/harness/short_memory.c"


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    includes = [f"-I{REPOSITORY}/Sources/{name}/include" for name in ("COpenSSL", "CReactor")]
    # Compilers make of strdup what they like where they may; and not all know clang's question for sanitizers.
    command = ["cc", "-O1", "-g", "-fno-builtin", "-D__has_feature(x)=0", *includes]
    # By way of it OpenSSL takes memory.
    memory = REPOSITORY / "Sources/COpenSSL/memory.c"
    subprocess.run([*command, "-Dmalloc=taken_malloc", "-Drealloc=taken_realloc", "-c", "-o", folder / "memory.o", memory], check=True)
    sources = [*((REPOSITORY / "Sources/COpenSSL").glob("*.c")), REPOSITORY / "Sources/CReactor/creactor.c", SOURCE]
    subprocess.run([*command, "-o", folder / "short_memory", folder / "memory.o", *(source for source in sources if source != memory),
                    *(f"-Wl,--wrap={name}" for name in FUNCTIONS), "-lssl", "-lcrypto"], check=True)
    return folder / "short_memory"


def test_nothing_crashes_and_nobody_is_let_in(program, tmp_path):
    authority = Authority(tmp_path)
    files = [authority.path, authority.issue("SD1"), authority.issue("OP1"), authority.issue("OP2")]
    # Beside our own and those of handshakes every 331st of some 80,000: all of them take a quarter of an hour.
    done = subprocess.run([program, "331", *files], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all("allocations failed" in line for line in lines), done.stdout
