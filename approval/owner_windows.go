package approval

// give does nothing: on Windows a new file has the rights of its folder.
func give(string, string) error { return nil }
