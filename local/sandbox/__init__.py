"""The Adobe sandbox: one HTTP server that plays IMS, Edge collect and Campaign ingestion as Adobe documents them."""
