"""HTTP/1 through one node, between a strict client and a strict recording origin: tables of cases and their judge."""
