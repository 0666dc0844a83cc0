"""What must hold of the users' records, one judge a file.

A judge takes records and the timeline of what really was up, and returns the records (or counts) that break its rule.
"""
