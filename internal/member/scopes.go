package member

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// scopesFresh is how long what a member said of its kinds is believed: a kind that is removed and comes again may
	// have another scope.
	scopesFresh = 5 * time.Minute
	// scopesRetry is how long a kind that is unknown stays so before the member is asked again.
	scopesRetry = time.Second
	// maxScopes bounds how many group versions are remembered.
	maxScopes    = 512
	maxDiscovery = 8 << 20
	// discoveryTimeout bounds a single question, which several callers may wait for.
	discoveryTimeout = 15 * time.Second
)

// scopes remembers which kinds of a member are in namespaces.
type scopes struct {
	member *Member
	flight singleflight.Group

	mu     sync.Mutex
	groups map[schema.GroupVersion]groupScopes
}

type groupScopes struct {
	asked      time.Time
	namespaced map[string]bool
}

// Namespaced says whether the objects of a kind are in namespaces. known is false when the member does not have the kind.
// Answers are remembered; a kind that is not known is asked for again, not more than once a second.
func (m *Member) Namespaced(ctx context.Context, r schema.GroupVersionResource) (namespaced, known bool, err error) {
	s := &m.scopes
	gv := r.GroupVersion()
	s.mu.Lock()
	group := s.groups[gv]
	s.mu.Unlock()
	namespaced, known = group.namespaced[r.Resource]
	age := time.Since(group.asked)
	if known && age < scopesFresh || age < scopesRetry {
		return namespaced, known, nil
	}
	answer := s.flight.DoChan(gv.String(), func() (any, error) { return s.ask(gv) })
	select {
	case <-ctx.Done():
		return false, false, ctx.Err()
	case result := <-answer:
		if result.Err != nil {
			return false, false, result.Err
		}
		namespaced, known = result.Val.(groupScopes).namespaced[r.Resource]
		return namespaced, known, nil
	}
}

// ask reads the kinds of a group version from the member.
func (s *scopes) ask(gv schema.GroupVersion) (groupScopes, error) {
	ctx, cancel := context.WithTimeout(context.Background(), discoveryTimeout)
	defer cancel()
	target := *s.member.base
	path := []string{strings.TrimSuffix(target.Path, "/"), "apis", gv.Group, gv.Version}
	if gv.Group == "" {
		path = []string{path[0], "api", gv.Version}
	}
	target.Path = strings.Join(path, "/")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return groupScopes{}, fmt.Errorf("ask for the kinds of %q: %w", gv, err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := s.member.RoundTrip(req)
	if err != nil {
		return groupScopes{}, fmt.Errorf("ask for the kinds of %q: %w", gv, err)
	}
	defer resp.Body.Close() //nolint:errcheck // Nothing is lost.
	group := groupScopes{asked: time.Now(), namespaced: map[string]bool{}}
	switch resp.StatusCode {
	case http.StatusNotFound:
		return s.remember(gv, group), nil
	case http.StatusOK:
	default:
		return groupScopes{}, fmt.Errorf("ask for the kinds of %q: the member answers with status %d", gv, resp.StatusCode)
	}
	var list metav1.APIResourceList
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDiscovery)).Decode(&list); err != nil {
		return groupScopes{}, fmt.Errorf("ask for the kinds of %q: the member's answer is not a list of kinds: %w", gv, err)
	}
	for _, r := range list.APIResources {
		if !strings.Contains(r.Name, "/") {
			group.namespaced[r.Name] = r.Namespaced
		}
	}
	return s.remember(gv, group), nil
}

func (s *scopes) remember(gv schema.GroupVersion, group groupScopes) groupScopes {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.groups == nil || len(s.groups) >= maxScopes {
		s.groups = map[schema.GroupVersion]groupScopes{}
	}
	s.groups[gv] = group
	return group
}
