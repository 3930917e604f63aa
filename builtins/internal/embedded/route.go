package embedded

import "strings"

// resource is what a path of the specification names.
type resource int

const (
	base      resource = iota // /v2/
	catalog                   // /v2/_catalog
	tags                      // /v2/NAME/tags/list
	referrers                 // /v2/NAME/referrers/DIGEST
	manifest                  // /v2/NAME/manifests/REFERENCE
	blob                      // /v2/NAME/blobs/DIGEST
	uploading                 // /v2/NAME/blobs/uploads/
	upload                    // /v2/NAME/blobs/uploads/ID
)

// route is a path taken apart. ref is the digest, tag or id at its end.
type route struct {
	resource   resource
	repository string
	ref        string
}

// parseRoute reads a path from its end, since a repository may be called
// "manifests", too.
func parseRoute(path string) (route, bool) {
	rest, ok := strings.CutPrefix(path, "/v2")
	if !ok {
		return route{}, false
	}
	switch rest {
	case "", "/":
		return route{resource: base}, true
	case "/_catalog":
		return route{resource: catalog}, true
	}
	parts := strings.Split(strings.TrimPrefix(rest, "/"), "/")
	end := func(i int) string { // the i-th part from the end, from 1
		if i > len(parts) {
			return ""
		}
		return parts[len(parts)-i]
	}
	at := func(res resource, tail int, ref string) (route, bool) {
		name := strings.Join(parts[:len(parts)-tail], "/")
		return route{res, name, ref}, name != "" && rest[0] == '/'
	}
	switch {
	case end(3) == "blobs" && end(2) == "uploads" && end(1) != "":
		return at(upload, 3, end(1))
	case end(3) == "blobs" && end(2) == "uploads":
		return at(uploading, 3, "")
	case end(2) == "blobs" && end(1) == "uploads":
		return at(uploading, 2, "")
	case end(2) == "tags" && end(1) == "list":
		return at(tags, 2, "")
	case end(2) == "manifests":
		return at(manifest, 2, end(1))
	case end(2) == "blobs":
		return at(blob, 2, end(1))
	case end(2) == "referrers":
		return at(referrers, 2, end(1))
	}
	return route{}, false
}
