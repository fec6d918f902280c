package member

import (
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	fedv1b1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"
)

// Pool holds the connections to member clusters, one for each, shared by everybody who talks to the cluster. It is safe
// for use by several goroutines.
type Pool struct {
	timing timing

	mu      sync.Mutex
	closed  bool
	members map[types.UID]*Member
}

// NewPool returns an empty pool.
func NewPool() *Pool {
	return &Pool{timing: defaultTiming, members: map[types.UID]*Member{}}
}

// Get returns the connection to a physical cluster, given its KubeFedCluster and the Secret that it refers to, nil when
// there is none. It does not connect yet. When endpoint, CA, token, proxy or TLS checks are not what they were, or the
// KubeFedCluster is another of the same name, the former connection is retired. The error is a *ConfigError when the
// registration is wrong, else ErrRetired when the pool is closed.
func (p *Pool) Get(cluster *fedv1b1.KubeFedCluster, secret *corev1.Secret) (*Member, error) {
	s, err := readSettings(cluster, secret)
	if err != nil {
		return nil, err
	}
	key := s.key()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrRetired
	}
	old := p.members[cluster.UID]
	if old != nil && old.key == key {
		return old, nil
	}
	m := newMember(s, key, p.timing)
	p.members[cluster.UID] = m
	if old != nil {
		old.stop(p.timing.grace)
	}
	return m, nil
}

// Forget closes the connection to a cluster whose KubeFedCluster is gone. Nothing happens when there is none.
func (p *Pool) Forget(uid types.UID) {
	p.mu.Lock()
	m := p.members[uid]
	delete(p.members, uid)
	p.mu.Unlock()
	if m != nil {
		m.stop(p.timing.grace)
	}
}

// has says whether there is a connection to a cluster.
func (p *Pool) has(uid types.UID) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members[uid] != nil
}

// Close lets no connections be made any more. Watches end, and other requests that are under way may finish within a
// bounded time.
func (p *Pool) Close() {
	p.mu.Lock()
	members := p.members
	p.members = map[types.UID]*Member{}
	p.closed = true
	p.mu.Unlock()
	for _, m := range members {
		m.stop(p.timing.grace)
	}
}
