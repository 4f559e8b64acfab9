package udf

// Changed gives a channel that is closed at the next entry. Ask for it before
// reading what there is, so that nothing is missed in between.
func (s *LogStream) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Recent gives the newest entries, oldest first, at most n; it does not wait.
func (s *LogStream) Recent(n int) []LogEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := max(0, len(s.ring)-n)
	entries := make([]LogEntry, 0, len(s.ring)-from)
	for i := from; i < len(s.ring); i++ {
		entries = append(entries, s.ring[(s.next+i)%len(s.ring)].entry)
	}
	return entries
}
