// Package registry moves images to and from registries. regclient speaks the
// OCI distribution protocol; this package is what lies beneath and around it:
//
//   - a transport ([Client] owns one per host) that authenticates, retries,
//     resumes, times out, and refuses to carry a credential or a byte to a place
//     nobody configured (wire.go, exchange.go, auth.go, redirect.go);
//   - a table of hosts, where everything that is peculiar to one registry stands
//     (hosts.go);
//   - the map from what can go wrong to faults (fault.go).
//
// A [Sink] is told to keep content only after its bytes hashed to the digest
// asked for, and no blob ever lies whole in memory.
package registry
