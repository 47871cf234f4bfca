"""What is true in the local world, and when more becomes true."""
