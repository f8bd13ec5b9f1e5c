"""Daemons that run on nodes; each folder is a program of its own."""
