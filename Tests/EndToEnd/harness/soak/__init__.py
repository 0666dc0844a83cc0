"""A long run under faults: users that come, wait and vanish (`load`), nodes that fail (`faults`), and what must hold at the end
(`judge`). `run` puts them together."""
