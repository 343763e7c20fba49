"""The usual ways to write the collect function, each a process in .venv-peers that times itself.

They check the batch, give its events the `_id` and the `timestamp` that they lack, forward it over a kept connection,
and answer 202. That is less than the relay does: their token is a constant, they split, spool, log and count nothing.
"""
