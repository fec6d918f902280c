package member

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"weak"

	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// sharer keeps one copy of what many objects have in common: the objects that a federated object becomes in its cells
// differ in little more than their metadata. It holds on to nothing that no object uses.
type sharer struct {
	sets  table[fieldpath.Set]
	trees table[tree]
}

// tree is a part of an object.
type tree struct{ value any }

type digest [sha256.Size]byte

// table finds values by the digest of what they are made from.
type table[T any] struct {
	mu     sync.Mutex
	values map[digest]weak.Pointer[T]
}

// get returns the value that was made from the like of source, or makes it.
func (t *table[T]) get(source any, build func() (*T, error)) (*T, error) {
	sum := sumOf(source)
	if found := t.find(sum); found != nil {
		return found, nil
	}
	built, err := build()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if found := t.values[sum].Value(); found != nil {
		return found, nil
	}
	if t.values == nil {
		t.values = map[digest]weak.Pointer[T]{}
	}
	t.values[sum] = weak.Make(built)
	runtime.AddCleanup(built, t.forget, sum)
	return built, nil
}

func (t *table[T]) find(sum digest) *T {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.values[sum].Value()
}

// forget removes what nobody uses, unless somebody has made it again.
func (t *table[T]) forget(sum digest) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.values[sum].Value() == nil {
		delete(t.values, sum)
	}
}

func (t *table[T]) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.values)
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// sumOf returns a digest of JSON content that tells values of different types apart, an integer from a float included.
func sumOf(value any) digest {
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	*buffer = appendValue((*buffer)[:0], value)
	return sha256.Sum256(*buffer)
}

func appendValue(b []byte, value any) []byte {
	switch v := value.(type) {
	case nil:
		return append(b, 'n')
	case bool:
		if v {
			return append(b, 't')
		}
		return append(b, 'f')
	case string:
		return appendString(append(b, 's'), v)
	case int64:
		return binary.BigEndian.AppendUint64(append(b, 'i'), uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(b, 'd'), math.Float64bits(v))
	case []any:
		b = binary.AppendUvarint(append(b, 'l'), uint64(len(v)))
		for _, each := range v {
			b = appendValue(b, each)
		}
		return b
	case map[string]any:
		b = binary.AppendUvarint(append(b, 'm'), uint64(len(v)))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			b = appendValue(appendString(b, k), v[k])
		}
		return b
	default:
		return appendString(append(b, 'x'), fmt.Sprintf("%T:%v", v, v))
	}
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
