package validating

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/cellfed/cellfed/internal/inventory"
)

// stuck is a client whose every list takes an hour. It is all that Placements use of one.
type stuck struct {
	dynamic.Interface
	dynamic.NamespaceableResourceInterface
}

func (s stuck) Resource(schema.GroupVersionResource) dynamic.NamespaceableResourceInterface { return s }

func (s stuck) Namespace(string) dynamic.ResourceInterface { return s }

func (stuck) List(ctx context.Context, _ metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Hour):
		return &unstructured.UnstructuredList{}, nil
	}
}

// Who relabels a cluster or a Namespace while the API server is slow gets an answer before his API server ceases to wait for one.
func TestAnswersInTime(t *testing.T) {
	for name, tc := range map[string]struct {
		reason, path, query string
		object, old         any
		took                time.Duration
		allowed             bool
	}{
		"Cluster":   {"all namespaces are read", KubeFedClusterPath, "?timeout=10s", cluster("sh", ""), cluster("sh", "acme"), 9 * time.Second, false},
		"Namespace": {"one is", NamespacePath, "?timeout=10s", namespace("acme", "evil"), namespace("acme", "acme"), 9 * time.Second, false},
		"Cell":      {"so it is for a cell that moves", CellPath, "?timeout=10s", cell("acme", "a", "sh", "acme-a"), cell("acme", "a", "hz", "acme-a"), 9 * time.Second, false},
		"Short":     {"the answer has a way to go", KubeFedClusterPath, "?timeout=2s", cluster("sh", ""), cluster("sh", "acme"), 1500 * time.Millisecond, false},
		"Untold":    {"who does not say how long he waits is not told either", KubeFedClusterPath, "", cluster("sh", ""), cluster("sh", "acme"), time.Hour, true},
		"Malformed": {"nor is who says nothing that can be read", KubeFedClusterPath, "?timeout=soon", cluster("sh", ""), cluster("sh", "acme"), time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, world()...)
			server := &mux{hooks: map[string]http.Handler{}}
			err := Setup(server, Options{
				Inventory: h.Inventory, Placements: inventory.NewPlacements(h.Inventory, stuck{}), Live: fake.NewClientBuilder().WithScheme(h.Scheme).Build(),
			})
			if err != nil {
				t.Fatal(err)
			}
			request := write(t, tc.object, tc.old)
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				review := askHTTP(t, server.hooks[tc.path], tc.path+tc.query, request)
				if took := time.Since(start); took != tc.took || review.Allowed != tc.allowed {
					t.Errorf("%s: after %s it said %v", tc.reason, took, review)
				}
				if tc.allowed {
					return
				}
				for _, want := range []string{"there was no time to read configmaps", "timeoutSeconds", "try again"} {
					if !strings.Contains(review.Result.Message, want) {
						t.Errorf("%s: the answer does not say %q: %s", tc.reason, want, review.Result.Message)
					}
				}
			})
		})
	}
}

// askHTTP asks a webhook as an API server does.
func askHTTP(t *testing.T, hook http.Handler, url string, request admissionv1.AdmissionRequest) *admissionv1.AdmissionResponse {
	t.Helper()
	review := admissionv1.AdmissionReview{TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"}, Request: &request}
	body, err := json.Marshal(review)
	if err != nil {
		t.Fatal(err)
	}
	post := httptest.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(string(body)))
	post.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	hook.ServeHTTP(recorder, post)
	if err := json.Unmarshal(recorder.Body.Bytes(), &review); err != nil || review.Response == nil {
		t.Fatalf("%v: %s", err, recorder.Body)
	}
	return review.Response
}
