// Package storagemigration has every object of a custom resource stored in the version that its CRD stores now, and then
// takes the other versions from the CRD's status.storedVersions.
//
// An object is migrated by a patch that changes nothing: the API server reads it in whatever version it is stored in, finds
// that it would store other bytes, and does. One that is stored as it should be is not written. Nobody else's write is
// lost, because the API server makes the patch on the newest object there is.
package storagemigration

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/federatedcrd"
)

const (
	// DefaultSettle is longer than a request takes that an API server had begun when the CRD changed, for which it
	// allows a minute unless it is told otherwise, and than another API server takes to notice the change.
	DefaultSettle = 65 * time.Second

	defaultConcurrency = 4
	defaultPageSize    = 500
)

var (
	// ErrOvertaken means that the CRD changed during a pass, which therefore proves nothing. The migration goes on
	// with what the CRD says now.
	ErrOvertaken = errors.New("the CRD changed while its objects were migrated")

	// ErrRefused means that objects could not be written again, because a webhook or the schema refuses them.
	ErrRefused = errors.New("objects cannot be stored in the new version")
)

// Progress is how far a pass has come.
type Progress struct {
	// Version is the version in which the objects are stored.
	Version string
	// Done is how many objects are stored in it.
	Done int64
	// Total is how many there are, as far as is known.
	Total int64
}

// Options are what a Migrator can do without.
type Options struct {
	// Settle is how long after a change of the CRD some request may still store an object in the version of
	// before. Zero means DefaultSettle.
	Settle time.Duration
	// Concurrency is how many objects are written at a time. Zero means 4.
	Concurrency int
	// PageSize is how many objects are listed at a time. Zero means 500.
	PageSize int64
	// Clock tells the time. Nil means the system's.
	Clock clock.PassiveClock
}

// Migrator migrates the objects of custom resources. It may be used by several goroutines, for one CRD by one at a time.
type Migrator struct {
	client  client.Client
	live    client.Reader
	options Options

	mu    sync.Mutex
	known map[types.UID]sighting
}

// sighting is when a CRD was first seen as it is. Nothing is lost with it: after a restart the time runs anew.
type sighting struct {
	generation int64
	since      time.Time
	// passed says that all objects have been migrated once.
	passed bool
}

// New returns a Migrator that reads CRDs and lists objects with the reader, which must not have a cache, and writes with
// the client.
func New(c client.Client, live client.Reader, options Options) *Migrator {
	if options.Settle == 0 {
		options.Settle = DefaultSettle
	}
	if options.Concurrency == 0 {
		options.Concurrency = defaultConcurrency
	}
	if options.PageSize == 0 {
		options.PageSize = defaultPageSize
	}
	if options.Clock == nil {
		options.Clock = clock.RealClock{}
	}
	return &Migrator{client: c, live: live, options: options, known: map[types.UID]sighting{}}
}

// Migrate migrates the objects of the CRD, as far as that can be done now. It returns zero when nothing is left to be done,
// also because the CRD is gone, else how long to wait before it is called again. The function is told how the work goes,
// by one goroutine at a time; it may be nil.
//
// It may be interrupted at any moment, and fail at any: the versions stay in status.storedVersions until a whole pass that
// began when nobody could store an older version any more has ended with the CRD as it was at its beginning.
func (m *Migrator) Migrate(ctx context.Context, name string, progress func(Progress)) (time.Duration, error) {
	crd, err := m.crd(ctx, name)
	if err != nil || crd == nil {
		return 0, err
	}
	if len(federatedcrd.OldVersions(crd)) == 0 {
		m.forget(crd.UID)
		return 0, nil
	}
	s := m.sight(crd)
	began := m.options.Clock.Now()
	settled := s.since.Add(m.options.Settle)
	if s.passed && began.Before(settled) {
		return settled.Sub(began), nil
	}
	// The first pass is made at once: it proves nothing yet, but from then on what is read needs no conversion.
	if err := m.pass(ctx, crd, progress); err != nil {
		return 0, err
	}
	if began.Before(settled) {
		m.passed(crd)
		return max(settled.Sub(m.options.Clock.Now()), time.Millisecond), nil
	}
	if err := m.trim(ctx, crd); err != nil {
		return 0, err
	}
	m.forget(crd.UID)
	return 0, nil
}

// sight returns since when the CRD has been as it is.
func (m *Migrator) sight(crd *apiextensionsv1.CustomResourceDefinition) sighting {
	m.mu.Lock()
	defer m.mu.Unlock()
	s, known := m.known[crd.UID]
	if !known || s.generation != crd.Generation {
		s = sighting{generation: crd.Generation, since: m.options.Clock.Now()}
		m.known[crd.UID] = s
	}
	return s
}

func (m *Migrator) passed(crd *apiextensionsv1.CustomResourceDefinition) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if s := m.known[crd.UID]; s.generation == crd.Generation {
		s.passed = true
		m.known[crd.UID] = s
	}
}

func (m *Migrator) forget(uid types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, uid)
}

// trim leaves in status.storedVersions the version that is stored, if the CRD is still the one that the pass began with.
// Its generation tells: every change of the spec raises it, so that a version that was stored in between, and is not
// any more, cannot go unseen.
func (m *Migrator) trim(ctx context.Context, migrated *apiextensionsv1.CustomResourceDefinition) error {
	for {
		crd, err := m.same(ctx, migrated)
		if err != nil {
			return err
		}
		stored := federatedcrd.Stored(crd)
		if slices.Equal(crd.Status.StoredVersions, []string{stored}) {
			return nil
		}
		crd.Status.StoredVersions = []string{stored}
		err = m.client.Status().Update(ctx, crd, client.FieldOwner(fieldManager))
		if apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("updating status.storedVersions of the CRD %s: %w", crd.Name, err)
		}
		return nil
	}
}

// same returns the CRD as it is now, or ErrOvertaken if it is not what it was.
func (m *Migrator) same(ctx context.Context, before *apiextensionsv1.CustomResourceDefinition) (*apiextensionsv1.CustomResourceDefinition, error) {
	crd, err := m.crd(ctx, before.Name)
	if err != nil {
		return nil, err
	}
	if crd == nil || crd.UID != before.UID || crd.Generation != before.Generation {
		return nil, fmt.Errorf("the CRD %s: %w", before.Name, ErrOvertaken)
	}
	return crd, nil
}

// crd returns the CRD as the API server has it, or nil if there is none, or none for long.
func (m *Migrator) crd(ctx context.Context, name string) (*apiextensionsv1.CustomResourceDefinition, error) {
	crd := &apiextensionsv1.CustomResourceDefinition{}
	err := m.live.Get(ctx, client.ObjectKey{Name: name}, crd)
	if apierrors.IsNotFound(err) || err == nil && crd.DeletionTimestamp != nil {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("getting the CRD %s: %w", name, err)
	}
	return crd, nil
}
