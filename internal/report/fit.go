package report

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cellfed/cellfed/internal/federated"
)

// maxStatus is how many bytes of JSON a status may have, so that there is room for the rest of the object in the MiB and a
// half that an API server's datastore takes.
const maxStatus = 900 << 10

// leftOut is what is said of a topology whose own status has no room. It does not tell sizes: they change with what is
// left out, and would be written again and again.
const leftOut = "remoteStatus left out: the status of this object would be too large; choose fields in the FederatedTypePolicy's spec.status"

// fit cuts a status that is too large: the members' own statuses first, the largest one first, then the messages. It
// reports whether it did.
func fit(status *federated.Status) bool {
	excess := sizeOfStatus(status) - maxStatus
	if excess <= 0 {
		return false
	}
	excess = cut(status.Clusters, excess, func(c *federated.ClusterStatus) int {
		if c.RemoteStatus == nil {
			return 0
		}
		return sizeOf(c.RemoteStatus) - len(leftOut)
	}, func(c *federated.ClusterStatus) {
		c.RemoteStatus, c.Message = nil, withNote(c.Message)
	})
	cut(status.Clusters, excess, func(c *federated.ClusterStatus) int { return len(c.Message) }, func(c *federated.ClusterStatus) {
		c.Message = ""
	})
	return true
}

// cut cuts topologies, the one with the most to gain first, until there is no excess any more, and returns what is left
// of it. Of those that gain the same, the first by name goes first.
func cut(clusters []federated.ClusterStatus, excess int, gain func(*federated.ClusterStatus) int, apply func(*federated.ClusterStatus)) int {
	type candidate struct{ index, gain int }
	var candidates []candidate
	for i := range clusters {
		if g := gain(&clusters[i]); g > 0 {
			candidates = append(candidates, candidate{i, g})
		}
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return b.gain - a.gain })
	for _, c := range candidates {
		if excess <= 0 {
			break
		}
		apply(&clusters[c.index])
		excess -= c.gain
	}
	return excess
}

func hasNote(message string) bool { return strings.HasSuffix(message, leftOut) }

func withNote(message string) string {
	if message == "" {
		return leftOut
	}
	return message + "; " + leftOut
}

// withoutNote is the inverse of withNote.
func withoutNote(message string) string {
	message, noted := strings.CutSuffix(message, leftOut)
	if !noted {
		return message
	}
	return strings.TrimSuffix(message, "; ")
}

// sizeOfStatus returns how large the status is as JSON, or a little more.
func sizeOfStatus(status *federated.Status) int {
	const fixed, condition, cluster = 512, 200, 200 // Braces, names and numbers.
	size := fixed
	for i := range status.Conditions {
		c := &status.Conditions[i]
		size += condition + sizeOfString(c.Reason) + sizeOfString(c.Message) + len(c.Type) + len(c.LastUpdateTime) + len(c.LastTransitionTime)
	}
	for i := range status.Clusters {
		c := &status.Clusters[i]
		size += cluster + sizeOfString(c.Name) + sizeOfString(c.Message) + sizeOfString(c.AppliedVersion) + len(c.Status) + len(c.LastChangeTime) + sizeOf(c.RemoteStatus)
	}
	return size
}

// sizeOf returns how large the value is as JSON, or a little more: it makes no copy, which encoding would.
func sizeOf(value any) int {
	const number = 24
	switch v := value.(type) {
	case map[string]any:
		size := 2
		for key, item := range v {
			size += sizeOfString(key) + sizeOf(item) + 2
		}
		return size
	case []any:
		size := 2
		for _, item := range v {
			size += sizeOf(item) + 1
		}
		return size
	case string:
		return sizeOfString(v)
	case nil, bool:
		return 5
	default:
		return number
	}
}

// sizeOfString counts what encoding/json escapes.
func sizeOfString(s string) int {
	const escaped = 6
	size := 2 + len(s)
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < ' ' || c == '<' || c == '>' || c == '&' || c == 0x7f:
			size += escaped - 1
		case c == '"' || c == '\\':
			size++
		case c == 0xe2:
			size += escaped - 3 // Perhaps a line separator.
		}
	}
	if !utf8.ValidString(s) {
		size += escaped * len(s)
	}
	return size
}
