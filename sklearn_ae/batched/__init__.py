"""Several networks trained as one."""
