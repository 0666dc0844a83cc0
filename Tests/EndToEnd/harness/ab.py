"""ApacheBench (ab), and what it tells."""

import re
import shutil
import subprocess


def run(address: tuple[str, int], requests: int, concurrency: int, target: str = "/") -> dict[str, float]:
    """`ab -k -n REQUESTS -c CONCURRENCY`: complete, failed, kept, per-second; and milliseconds within which 50, 95 and 99 % were answered."""
    assert shutil.which("ab"), "the Debian package apache2-utils is missing (Tests/run installs it)"
    done = subprocess.run(["ab", "-q", "-k", "-n", str(requests), "-c", str(concurrency), f"http://{address[0]}:{address[1]}{target}"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

    def number(words: str) -> float:
        found = re.search(words + r":?\s+([\d.]+)", done.stdout)
        return float(found[1]) if found else 0.0

    return {
        "complete": number("Complete requests"), "failed": number("Failed requests") + number("Non-2xx responses"),
        "kept": number("Keep-Alive requests"), "per-second": number("Requests per second"), "p50": number(r"\n\s+50%"),
        "p95": number(r"\n\s+95%"), "p99": number(r"\n\s+99%"),
    }
