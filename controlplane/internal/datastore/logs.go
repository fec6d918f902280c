package datastore

import (
	"io"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"
)

// Verbosities at which kine's lines are shown.
const (
	kineInfoLevel  = 2
	kineDebugLevel = 6
)

// routeLogs sends the lines of kine, which logs with logrus, to klog, and returns a function that
// tells the last error among them: kine retries a database that is away and reports why only there.
func routeLogs() (lastError func() string) {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.ErrorLevel)
	switch {
	case klog.V(kineDebugLevel).Enabled():
		logrus.SetLevel(logrus.TraceLevel)
	case klog.V(kineInfoLevel).Enabled():
		logrus.SetLevel(logrus.InfoLevel)
	}
	hook := &klogHook{}
	hooks := logrus.LevelHooks{}
	hooks.Add(hook)
	logrus.StandardLogger().ReplaceHooks(hooks)
	return hook.last
}

// klogHook is a logrus hook that writes to klog and keeps the last error.
type klogHook struct {
	mu      sync.Mutex
	message string
}

// Levels implements logrus.Hook.
func (h *klogHook) Levels() []logrus.Level { return logrus.AllLevels }

// Fire implements logrus.Hook.
func (h *klogHook) Fire(entry *logrus.Entry) error {
	switch entry.Level {
	case logrus.PanicLevel, logrus.FatalLevel, logrus.ErrorLevel:
		if message := strings.Join(strings.Fields(entry.Message), " "); h.changes(message) {
			klog.ErrorS(nil, "Datastore: "+message)
		}
	case logrus.WarnLevel, logrus.InfoLevel:
		klog.V(kineInfoLevel).InfoS("Datastore: " + entry.Message)
	default:
		klog.V(kineDebugLevel).InfoS("Datastore: " + entry.Message)
	}
	return nil
}

// changes keeps an error and tells whether it differs from the one before, so that a database that is
// away is spoken of once, not at every try.
func (h *klogHook) changes(message string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.message == message {
		return false
	}
	h.message = message
	return true
}

func (h *klogHook) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.message
}
