"""Progress, tables and plots."""
