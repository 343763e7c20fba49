"""Adobe Relay: a front door to Adobe's ingestion APIs that loses nothing."""
