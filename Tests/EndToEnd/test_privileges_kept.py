"""What a node became when it began, it stays: through new topologies and new programs, and its sockets and its pid file with it."""

import os
import pathlib
import pwd
import shutil
import signal
import tempfile

import pytest
import yaml

from harness import waiting
from harness.raw import get
from harness.single import Single

pytestmark = [pytest.mark.own, pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")]
USER = "nobody"


def account(pid: int) -> tuple[str, str]:
    told = dict(line.split(":\t", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if ":\t" in line)
    return told["Uid"], told["CapEff"]


@pytest.fixture
def place():
    """A folder that the user can read and write: pytest's own are root's alone."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="geodirector-kept-"))
    shutil.chown(folder, USER)
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(120)
def test_user_low_port_and_pid_file_are_kept_through_reloads_and_hand_overs(place):
    entry, path = pwd.getpwnam(USER), place / "N.pid"
    with Single(place, names=("A",), options={"user": USER, "pidfile": str(path)}) as single:
        # A port that the user could not have.
        host = single.range.map("127.0.1.1")
        low = (host, 81)
        single.data["sites"][0]["balancers"][0]["listen"] = [f"{host}:8080", f"{host}:81"]
        address = single.geodirector()
        file = next(place.glob("topology.yaml"))
        file.chmod(0o644)
        node = single.nodes["geodirector"]
        single.wait_log("N serves")

        def is_kept(pid):
            assert account(pid) == ("\t".join([str(entry.pw_uid)] * 4), "0000000000000000")
            assert path.read_text() == f"{pid}\n"
            assert get(address).status == get(low).status == 200

        first = pid = node.process.pid
        try:
            is_kept(pid)
            for weight in (7, 9):
                data = yaml.safe_load(file.read_text())
                data["sites"][0]["servers"][0]["weight"] = weight
                file.write_text(yaml.safe_dump(data))
                os.kill(pid, signal.SIGHUP)
                single.wait_log(f"-> {weight}")
                is_kept(pid)
            for _ in range(3):
                before = pid
                os.kill(before, signal.SIGUSR2)
                waiting.until(lambda: path.read_text() not in ("", f"{before}\n"), "the next process in the pid file")
                pid = int(path.read_text())
                waiting.until(lambda: not is_alive(before), "the end of the one before")
                is_kept(pid)
            assert pid != first
            os.kill(pid, signal.SIGTERM)
            waiting.until(lambda: not is_alive(pid), "the end")
            assert not path.exists() or path.read_text() == ""
        finally:
            # After a hand-over nobody else knows it.
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)


def is_alive(pid: int) -> bool:
    """Whether it is there, and not only its entry in the table."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
