"""What becomes of events: so far the way from the spool to Adobe (redeliver)."""
