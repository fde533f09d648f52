"""Tests that put the harness itself on trial: each check here is shown a fault it must catch."""
