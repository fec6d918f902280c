package federated

import (
	"fmt"

	"github.com/cellfed/cellfed/internal/topology"
)

// How a federated object fares in a topology, in upstream's words where it has one. The words are API: people and their
// tools know them.
const (
	// StatusOK means that the topology has what it should have.
	StatusOK = ""
	// StatusHeld means that the mask keeps the topology as it is.
	StatusHeld = "Held"

	StatusWaitingForRemoval     = "WaitingForRemoval"
	StatusClusterNotReady       = "ClusterNotReady"
	StatusCachedRetrievalFailed = "CachedRetrievalFailed"
	StatusComputeResourceFailed = "ComputeResourceFailed"
	StatusApplyOverridesFailed  = "ApplyOverridesFailed"
	StatusCreationFailed        = "CreationFailed"
	StatusUpdateFailed          = "UpdateFailed"
	StatusDeletionFailed        = "DeletionFailed"
	StatusLabelRemovalFailed    = "LabelRemovalFailed"
	StatusRetrievalFailed       = "RetrievalFailed"
	StatusAlreadyExists         = "AlreadyExists"
	StatusFieldRetentionFailed  = "FieldRetentionFailed"
	StatusManagedLabelFalse     = "ManagedLabelFalse"
	StatusCreationTimedOut      = "CreationTimedOut"
	StatusUpdateTimedOut        = "UpdateTimedOut"
	StatusDeletionTimedOut      = "DeletionTimedOut"
	StatusLabelRemovalTimedOut  = "LabelRemovalTimedOut"
)

// PropagationCondition is the type of upstream's one condition.
const PropagationCondition = "Propagation"

// Why an object as a whole is not as it should be: upstream's reasons of its condition.
const (
	ReasonClusterRetrievalFailed = "ClusterRetrievalFailed"
	ReasonComputePlacementFailed = "ComputePlacementFailed"
	ReasonCheckClusters          = "CheckClusters"
	ReasonNamespaceNotFederated  = "NamespaceNotFederated"
)

// Status is the status of a federated object, in the words of v1beta1. EncodeStatus writes it in either version's.
type Status struct {
	ObservedGeneration int64           `json:"observedGeneration,omitempty"`
	Conditions         []Condition     `json:"conditions,omitempty"`
	Clusters           []ClusterStatus `json:"clusters,omitempty"`
	// Summary is nil in a status that upstream wrote.
	Summary *Summary `json:"summary,omitempty"`
}

// Condition is a condition as upstream writes it, and what else Kubernetes expects in one.
type Condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	Reason             string `json:"reason,omitempty"`
	Message            string `json:"message,omitempty"`
	LastUpdateTime     string `json:"lastUpdateTime,omitempty"`
	LastTransitionTime string `json:"lastTransitionTime,omitempty"`
	ObservedGeneration int64  `json:"observedGeneration,omitempty"`
}

// ClusterStatus is how a federated object fares in a topology. Without Generation and AppliedVersion upstream wrote it.
type ClusterStatus struct {
	// Name is the KubeFedCluster's.
	Name string `json:"name"`
	// Status is one of the words above.
	Status string `json:"status,omitempty"`
	// RemoteStatus is the status of the object in the member, as unstructured content.
	RemoteStatus any `json:"remoteStatus,omitempty"`
	// Generation is the generation of the federated object that the member last received.
	Generation int64 `json:"generation,omitempty"`
	// AppliedVersion tells whether what was last written to the member is still what it should have, and still what
	// it has. Only who wrote it knows how to read it.
	AppliedVersion string `json:"appliedVersion,omitempty"`
	// LastChangeTime is when the member was last written to, as RFC 3339 has it.
	LastChangeTime string `json:"lastChangeTime,omitempty"`
	// Message says in a sentence what Status says in a word.
	Message string `json:"message,omitempty"`
}

// Summary counts topologies.
type Summary struct {
	Placed    int64 `json:"placed"`
	InSync    int64 `json:"inSync"`
	Held      int64 `json:"held"`
	Failed    int64 `json:"failed"`
	Available int64 `json:"available"`
}

// clusterNames returns the names in the list of clusters, nil where there is no list.
func (s Status) clusterNames() []string {
	if s.Clusters == nil {
		return nil
	}
	names := make([]string, 0, len(s.Clusters))
	for _, c := range s.Clusters {
		names = append(names, c.Name)
	}
	return names
}

// EncodeStatus returns the status as unstructured content in the words of the version in which the object was read. It
// shares the remote statuses with s. It fails with ErrUnknownVersion for an object that Decode did not make.
func (o *Object) EncodeStatus(s Status) (map[string]any, error) {
	version, err := ParseAPIVersion(o.APIVersion)
	if err != nil {
		return nil, fmt.Errorf("write the status: %w", err)
	}
	r := reader{v2: version == V2Beta1, namespace: o.Namespace}
	r.typ, _ = topology.Lookup(o.Placement.TopologyType)

	status := make(map[string]any, 4)
	putInt(status, "observedGeneration", s.ObservedGeneration)
	if s.Conditions != nil {
		list := make([]any, 0, len(s.Conditions))
		for _, c := range s.Conditions {
			list = append(list, c.encode())
		}
		status["conditions"] = list
	}
	if s.Clusters != nil {
		list := make([]any, 0, len(s.Clusters))
		for _, c := range s.Clusters {
			list = append(list, c.encode(r.name(c.Name)))
		}
		status[r.word(listKey)] = list
	}
	if s.Summary != nil {
		status["summary"] = s.Summary.encode()
	}
	return status, nil
}

func (c Condition) encode() map[string]any {
	m := make(map[string]any, 7)
	m["type"], m["status"] = c.Type, c.Status
	putString(m, "reason", c.Reason)
	putString(m, "message", c.Message)
	putString(m, "lastUpdateTime", c.LastUpdateTime)
	putString(m, "lastTransitionTime", c.LastTransitionTime)
	putInt(m, "observedGeneration", c.ObservedGeneration)
	return m
}

func (c ClusterStatus) encode(name string) map[string]any {
	m := make(map[string]any, 7)
	m["name"] = name
	putString(m, "status", c.Status)
	if c.RemoteStatus != nil {
		m["remoteStatus"] = c.RemoteStatus
	}
	putInt(m, "generation", c.Generation)
	putString(m, "appliedVersion", c.AppliedVersion)
	putString(m, "lastChangeTime", c.LastChangeTime)
	putString(m, "message", c.Message)
	return m
}

func (s Summary) encode() map[string]any {
	return map[string]any{"placed": s.Placed, "inSync": s.InSync, "held": s.Held, "failed": s.Failed, "available": s.Available}
}

func putString(m map[string]any, key, value string) {
	if value != "" {
		m[key] = value
	}
}

func putInt(m map[string]any, key string, value int64) {
	if value != 0 {
		m[key] = value
	}
}

// status reads a status. It is written by controllers alone, so what of it cannot be read is as good as not there: the
// next write puts it right.
func (r *reader) status(value any) Status {
	content, _ := value.(map[string]any)
	s := Status{ObservedGeneration: getInt(content, "observedGeneration")}
	if list, ok := content["conditions"].([]any); ok {
		s.Conditions = make([]Condition, 0, len(list))
		for _, value := range list {
			if item, ok := value.(map[string]any); ok {
				s.Conditions = append(s.Conditions, decodeCondition(item))
			}
		}
	}
	if list, ok := content[r.word(listKey)].([]any); ok {
		s.Clusters = make([]ClusterStatus, 0, len(list))
		for _, value := range list {
			item, _ := value.(map[string]any)
			if name, ok := item["name"].(string); ok {
				s.Clusters = append(s.Clusters, decodeCluster(r.cluster(name), item))
			}
		}
	}
	if summary, ok := content["summary"].(map[string]any); ok {
		s.Summary = &Summary{
			Placed: getInt(summary, "placed"), InSync: getInt(summary, "inSync"), Held: getInt(summary, "held"),
			Failed: getInt(summary, "failed"), Available: getInt(summary, "available"),
		}
	}
	return s
}

func decodeCondition(m map[string]any) Condition {
	return Condition{
		Type: getString(m, "type"), Status: getString(m, "status"), Reason: getString(m, "reason"), Message: getString(m, "message"),
		LastUpdateTime: getString(m, "lastUpdateTime"), LastTransitionTime: getString(m, "lastTransitionTime"),
		ObservedGeneration: getInt(m, "observedGeneration"),
	}
}

func decodeCluster(name string, m map[string]any) ClusterStatus {
	return ClusterStatus{
		Name: name, Status: getString(m, "status"), RemoteStatus: m["remoteStatus"], Generation: getInt(m, "generation"),
		AppliedVersion: getString(m, "appliedVersion"), LastChangeTime: getString(m, "lastChangeTime"), Message: getString(m, "message"),
	}
}

func getString(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

// getInt returns a whole number, which encoding/json decodes as a float64 and Kubernetes as an int64.
func getInt(m map[string]any, key string) int64 {
	switch n := m[key].(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	}
	return 0
}
