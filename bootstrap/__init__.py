"""Bootstrap: bare Debian machines in, a verified container platform out."""

__version__ = "0.1.0"
