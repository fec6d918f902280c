package doctor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cellfed/cellfed/internal/cli/kube"
)

// Level is what came of a check.
type Level string

// The levels.
const (
	OK   Level = "OK"
	Warn Level = "WARN"
	Fail Level = "FAIL"
	Skip Level = "SKIP"
)

// Verdict is what a check says.
type Verdict struct {
	Result  Level  `json:"result"`
	Message string `json:"message"`
	// Way says what to do. It is empty where there is nothing to do.
	Way string `json:"way,omitempty"`
}

// Row is a check and what it says.
type Row struct {
	Name string `json:"name"`
	Verdict
}

// probe is what checks look through.
type probe struct {
	client.Client
	kube      *kube.Kube
	namespace string
	now       func() time.Time
	version   func() (string, error)
}

// check is one look. It depends on no other. An error means that it could not look.
type check struct {
	name string
	look func(context.Context, *probe) (Verdict, error)
}

// checks are all of them, in the order in which they are told: what others stand on comes first.
var checks = []check{
	{"host", host},
	{"rights", rights},
	{"kubefed-namespace", kubeFedNamespace},
	{"kubefed-crds", kubeFedCRDs},
	{"kubefed-config", kubeFedConfig},
	{"kubefed-controller", kubeFedController},
	{"kubefed-types", kubeFedTypes},
	{"cellfed-crds", cellfedCRDs},
	{"manager", manager},
	{"manager-lease", managerLease},
	{"certificates", certificates},
	{"webhooks", webhooks},
	{"admission-cells", admissionCells},
	{"admission-objects", admissionObjects},
	{"conversion", conversion},
	{"versions", versions},
	{"policies", policies},
	{"members", members},
	{"tenants", tenants},
	{"cells", cells},
}

// run looks at everything at once, each with a deadline of its own.
func run(ctx context.Context, checks []check, p *probe, timeout time.Duration) []Row {
	rows := make([]Row, len(checks))
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			verdict, err := c.look(ctx, p)
			if err != nil {
				verdict = unlooked(ctx, err, timeout)
			}
			rows[i] = Row{c.name, verdict}
		})
	}
	wg.Wait()
	return rows
}

// unlooked says why a check could not look.
func unlooked(ctx context.Context, err error, timeout time.Duration) Verdict {
	switch {
	case apierrors.IsForbidden(err):
		return verdictf(Skip, "run this as an administrator of the host", "%v", err)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return verdictf(Fail, "see whether the host is overloaded, or give --check-timeout", "there was no answer within %s", timeout)
	case meta.IsNoMatchError(err):
		return verdictf(Fail, "install what serves it", "%v", err)
	default:
		return verdictf(Fail, "", "%v", err)
	}
}

// list lists what is in the KubeFed namespace.
func (p *probe) list(ctx context.Context, list client.ObjectList, what string) error {
	if err := p.List(ctx, list, client.InNamespace(p.namespace)); err != nil {
		return fmt.Errorf("list %s: %w", what, err)
	}
	return nil
}

func counted(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if one[len(one)-1] == 'y' {
		return fmt.Sprintf("%d %sies", n, one[:len(one)-1])
	}
	return fmt.Sprintf("%d %ss", n, one)
}
