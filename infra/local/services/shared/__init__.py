"""What services with members have in common."""
