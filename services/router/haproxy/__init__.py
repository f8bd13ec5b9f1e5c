"""HAProxy: its configuration, its maps, its command line and its reload."""
