"""Marathon's v2 REST API, its events and its error shapes, over HTTP."""
