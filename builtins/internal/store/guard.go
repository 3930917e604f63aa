package store

// Permission says whether something may be done with the entry of a name: nil, or
// why not.
type Permission func(does Action, name string) error

// Action is what is done with an entry.
type Action string

// The actions.
const (
	Reading  Action = "read"
	Writing  Action = "write"
	Removing Action = "delete"
)

// Guard returns the same store for somebody who may not do everything with it.
// Entries that may not be read are not listed; anything else that is not permitted
// fails with the error of may. Blobs are reached through entries: who knows the
// digest of one may have it.
func (s *Store) Guard(may Permission) *Store {
	return &Store{dir: s.dir, fs: s.fs, o: s.o, last: s.last, turn: s.turn, may: may}
}

// permits asks for every name, until one may not.
func (s *Store) permits(does Action, names ...string) error {
	if s.may == nil {
		return nil
	}
	for _, name := range names {
		if err := s.may(does, name); err != nil {
			return err
		}
	}
	return nil
}

// readable are the entries that may be read.
func (s *Store) readable(all []Entry) []Entry {
	if s.may == nil {
		return all
	}
	var some []Entry
	for _, e := range all {
		if s.may(Reading, e.Name) == nil {
			some = append(some, e)
		}
	}
	return some
}
