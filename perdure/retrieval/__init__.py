"""From a file to chunks that can be found, and from lists of found chunks to one: no database and no model here."""
