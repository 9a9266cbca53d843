"""Measurements that docs publish; each module is one command."""
