package component

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"

	"k8s.io/component-base/featuregate"
	logsapi "k8s.io/component-base/logs/api/v1"
)

// ApplyLog puts a component's logging configuration into force. Level 0 means errors only: the lines
// of Kubernetes at that level are about two hundred at every start and say little to an operator. The
// end of ctx tells that the component stops, and with it every watch.
func ApplyLog(ctx context.Context, config *logsapi.LoggingConfiguration, gate featuregate.FeatureGate) error {
	options := &logsapi.LoggingOptions{ErrorStream: os.Stderr, InfoStream: os.Stdout}
	if config.Verbosity == 0 && config.Format == logsapi.DefaultLogFormat {
		options.ErrorStream = &errorsOnly{to: os.Stderr, stopping: ctx.Done()}
		options.InfoStream = io.Discard
	}
	return logsapi.ValidateAndApplyWithOptions(config, options, gate)
}

// harmless are parts of error lines that Kubernetes logs when nothing is wrong.
var harmless = [][]byte{
	// At every start that gives no --allow-metric-labels-manifest.
	[]byte("The manifest file is empty, ignoring."),
	// At every start without an endpoint reconciler, which has no endpoints to remove.
	[]byte("Found stale data, removed previous endpoints on kubernetes service"),
	// At the first start, from controllers that retry until the namespace has been made.
	[]byte(`namespaces \"kube-system\" not found`),
}

// harmlessAtStop are parts of error lines that a component logs while it stops.
var harmlessAtStop = [][]byte{
	[]byte("Failed to watch"),
	[]byte("context canceled"),
	[]byte("connection refused"),
	// One server has no peers.
	[]byte("Unable to remove peer endpoint leases: StorageError: key not found"),
	// A client that keeps an idle connection open holds up nothing.
	[]byte("Failed to shutdown server: context deadline exceeded"),
}

// errorsOnly is a stream for klog's text format, which writes one message a call, that passes on
// errors and nothing else.
type errorsOnly struct {
	to       io.Writer
	stopping <-chan struct{}
}

func (w *errorsOnly) Write(p []byte) (int, error) {
	if len(p) > 0 && p[0] != 'E' && p[0] != 'F' || containsAny(p, harmless) {
		return len(p), nil
	}
	select {
	case <-w.stopping:
		if containsAny(p, harmlessAtStop) {
			return len(p), nil
		}
	default:
	}
	return w.to.Write(p)
}

func containsAny(line []byte, parts [][]byte) bool {
	return slices.ContainsFunc(parts, func(part []byte) bool { return bytes.Contains(line, part) })
}
