package engine

import (
	"context"
	"errors"

	"github.com/open-policy-agent/opa/v1/storage"
)

// store shows the data of a bundle to OPA: read only, and lazy, so that a
// decision about one user of a hundred thousand decodes one. It has no
// transactions to speak of, since nothing ever changes.
type store struct {
	storage.WritesNotSupported
	storage.PolicyNotSupported
	storage.TriggersNotSupported
	root *node
}

type transaction struct{}

func (transaction) ID() uint64 { return 0 }

var errNotFound = &storage.Error{Code: storage.NotFoundErr, Message: "document does not exist"}

func (s *store) NewTransaction(context.Context, ...storage.TransactionParams) (storage.Transaction, error) {
	return transaction{}, nil
}

func (s *store) Read(_ context.Context, _ storage.Transaction, path storage.Path) (any, error) {
	n, err := s.root.lookup(path)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, errNotFound
	}
	return n.decode()
}

func (s *store) Commit(context.Context, storage.Transaction) error { return nil }

func (s *store) Abort(context.Context, storage.Transaction) {}

func (s *store) Truncate(context.Context, storage.Transaction, storage.TransactionParams, storage.Iterator) error {
	return errors.New("the data of a bundle is read only")
}

// NonEmpty tells the compiler, without decoding anything, whether a rule at a
// path would hide data: there is a value, or a value that is no object above.
func (s *store) NonEmpty(context.Context, storage.Transaction) func([]string) (bool, error) {
	return func(path []string) (bool, error) {
		n := s.root
		for _, key := range path {
			kid, err := n.child(key)
			if err != nil {
				return false, err
			}
			if kid == nil {
				return !n.isObject(), nil
			}
			n = kid
		}
		return true, nil
	}
}
