// Package framework runs cellfed, upstream KubeFed and the clusters they work on as real processes on this machine, for
// tests and for the demo.
//
// A cluster is bin/controlplane: a kube-apiserver with its datastore, a controller manager where controllers are
// wanted, and kwok where a Deployment must become available. Everything listens on 127.0.0.1 on ports that are free.
// Nothing here knows of package testing: functions return errors, and only the thin functions in testing.go take a
// testing.TB. A process that was started dies with the process that started it, whatever ends that one, unless it was
// asked to be left behind.
package framework
