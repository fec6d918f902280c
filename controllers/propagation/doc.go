// Package propagation is the push reconciler: it makes the members hold what federated objects say, for the types that
// were handed over to cellfed, and reports on it.
//
// It is three reconcilers. The Planner gives a federated object its finalizer and fans it out into topologies. The
// Propagator makes one topology right: it gathers what host and member say, decides by pure functions (preselect, place,
// mask, render, retain, diff), and writes once at most. The Reporter writes what became of all topologies into the object's
// status, and lets a deleted object go. What a Propagator has found stays in a Ledger until it is reported.
package propagation
