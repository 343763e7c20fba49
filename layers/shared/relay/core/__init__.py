"""Decisions only: no AWS, no HTTP, no clock, no randomness, no disk, no environment."""
