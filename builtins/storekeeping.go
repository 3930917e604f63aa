package builtins

import (
	"context"
	"path/filepath"
	"time"

	"github.com/policyhost/policy/builtins/internal/store"
)

// Reports of the store's own upkeep.
type (
	StoreCheck  = store.CheckReport
	StoreRepair = store.RepairReport
	StorePrune  = store.PruneReport
)

// Keeper looks after one of the layouts below the store root.
type Keeper struct{ store *store.Store }

// Keeper gives the keeper of the local store, or with embedded of the embedded
// registry.
func (s Settings) Keeper(embedded bool, events Events) Keeper {
	if embedded {
		return Keeper{s.store(registryFolder, events)}
	}
	return Keeper{s.store(storeFolder, events)}
}

// Path is the folder of the layout.
func (k Keeper) Path() string { return k.store.Dir() }

// Check reports whether every tag's content is there and hashes right.
func (k Keeper) Check(ctx context.Context) (StoreCheck, error) { return k.store.Check(ctx) }

// Repair rebuilds the index from the last one that was sound and the blobs.
func (k Keeper) Repair(ctx context.Context) (StoreRepair, error) { return k.store.Repair(ctx) }

// Prune removes what no tag reaches and is older than the given age.
func (k Keeper) Prune(ctx context.Context, age time.Duration) (StorePrune, error) {
	return k.store.Prune(ctx, age)
}

// StoreEntry is a line of the store's index as it is on disk.
type StoreEntry struct {
	Name      string `json:"name"`
	Digest    string `json:"digest"`
	MediaType string `json:"media_type"`
	Size      int64  `json:"size"`
}

// Entries lists the index as it is.
func (k Keeper) Entries(ctx context.Context) ([]StoreEntry, error) {
	entries, err := k.store.Entries(ctx)
	list := []StoreEntry{}
	for _, e := range entries {
		list = append(list, StoreEntry{Name: e.Name, Digest: e.Digest.String(), MediaType: e.MediaType, Size: e.Size})
	}
	return list, err
}

func (s Settings) cache() string { return filepath.Join(s.Root, "cache") }

// verdicts is where it is kept which bundles compile, "" in a rehearsal.
func (s Settings) verdicts() string {
	if s.leaveCache {
		return ""
	}
	return s.cache()
}

func (s Settings) credentialFile() string { return filepath.Join(s.Root, "config.json") }
