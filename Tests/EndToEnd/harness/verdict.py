"""All judges over one scenario, as numbers to keep and as an assertion."""

import json

from .judges.crossings import crosses
from .judges.errors import avoidable_errors
from .judges.moves import needless_moves
from .judges.new_users import strayed_new_users
from .judges.returns import returns
from .judges.sessions import lost_sessions
from .topology import REPOSITORY


def keep(line: dict):
    """Appends a scenario's numbers to Tests/.results/scenarios.jsonl, from which the documentation's table is made."""
    folder = REPOSITORY / "Tests/.results"
    folder.mkdir(exist_ok=True)
    with open(folder / "scenarios.jsonl", "a") as file:
        file.write(json.dumps(line) + "\n")


class Verdict:
    """What the users of one scenario saw. `recovery` is for sessions, `relearning` for new users (see the judges)."""

    def __init__(self, name: str, system: str, records, timeline, recovery: float, relearning: float):
        self.name, self.system, self.records = name, system, sorted(records, key=lambda record: record.begin)
        self.findings = {
            "avoidable errors": avoidable_errors(self.records, timeline),
            "users moved needlessly": needless_moves(self.records, timeline, recovery),
            "users moved back": returns(self.records, timeline, recovery),
            "new users strayed": strayed_new_users(self.records, timeline, relearning),
        }
        self.crossed = sum(1 for record in self.records if crosses(record, timeline))
        self._keep()

    def _keep(self):
        errors = self.findings["avoidable errors"]
        line = {
            "scenario": self.name, "system": self.system, "requests": len(self.records),
            "errors": len(errors), "users with errors": len({record.user for record in errors}),
            **{key: len({record.user for record in found}) for key, found in self.findings.items()
               if key != "avoidable errors"},
            "sessions lost": len(lost_sessions(self.records)),
            "requests between sites": self.crossed,
            "slowest ms": round(max((record.end - record.begin for record in self.records), default=0) * 1000),
        }
        self.line = line
        keep(line)

    def must_be_clean(self, but: tuple[str, ...] = ()):
        """Fails with the first few records of each finding."""
        assert len(self.records) > 300, f"only {len(self.records)} requests were made: the scenario shows nothing"
        told = []
        for finding, found in self.findings.items():
            if found and finding not in but:
                told.append(f"{finding}: {len(found)} requests of {len({record.user for record in found})} users")
                told += [f"    {record}" for record in found[:5]]
        assert not told, "\n".join([f"{self.name} ({self.system}), {len(self.records)} requests", *told])
