"""Real parts the tests stand on, started in processes of their own."""
