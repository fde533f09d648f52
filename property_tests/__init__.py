"""The case space, the properties and the campaigns: the only place where all the parts meet."""
