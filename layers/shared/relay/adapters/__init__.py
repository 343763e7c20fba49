"""One outside system per file, translated and nothing else: every decision is in `relay.core`."""
