"""Never deployed: the Adobe sandbox, and the whole stack on one machine."""
