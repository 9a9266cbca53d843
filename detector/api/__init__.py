"""The front door: what `import detector` offers, on the same options and roads as the commands.

No module here may be called like a function of the front door, and none of the package either: it
would take the function's place (`tests/test_public_api.py`).
"""
