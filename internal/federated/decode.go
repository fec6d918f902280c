package federated

import (
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/cellfed/cellfed/internal/topology"
)

// reader reads the spec and the status of a federated object.
//
// What a placement and overrides mean is defined by what upstream makes of the object in v1beta1: by the conversion, and
// then by Go's decoding of JSON, which is lenient about names. Both cost more than everything else together, so what
// looks as people write it is read where it is, with the same result, and everything else takes the long way.
type reader struct {
	v2        bool
	namespace string
	spec      map[string]any
	// typ is what the names in the object speak of, where it is of v2beta1.
	typ topology.Type
}

func newReader(version, namespace string, spec map[string]any) *reader {
	r := &reader{v2: version == V2Beta1, namespace: namespace, spec: spec}
	r.typ, _ = topology.Lookup(typeName(spec))
	return r
}

// typeName returns the topology type that a conversion sees in a spec: the default where there is none, and no type at
// all for what is no string.
func typeName(spec map[string]any) string {
	value, ok := spec[topologyTypeKey]
	if !ok {
		return topology.Default
	}
	name, _ := value.(string)
	return name
}

// word returns the version's own spelling of a key.
func (r *reader) word(k renamed) string {
	if r.v2 {
		return k.v2beta1
	}
	return k.v1beta1
}

// cluster returns the KubeFedCluster that a name in the object stands for.
func (r *reader) cluster(name string) string {
	if r.v2 {
		return r.typ.ToCluster(r.namespace, name)
	}
	return name
}

func (r *reader) placement() (Placement, error) {
	p := Placement{TopologyType: topology.Default}
	if value := r.spec[topologyTypeKey]; value != nil {
		name, ok := value.(string)
		if !ok {
			return Placement{}, fmt.Errorf("spec.topologyType %v is a %T: use %s, or leave it out, which means %s",
				value, value, strings.Join(topology.Names(r.namespace != ""), " or "), topology.Default)
		}
		p.TopologyType = name
	}
	value, ok := r.spec["placement"]
	if !ok {
		return p, nil
	}
	var err error
	if p.Clusters, p.Selector, ok = r.plainPlacement(value); !ok {
		if p.Clusters, p.Selector, err = r.anyPlacement(value); err != nil {
			return Placement{TopologyType: p.TopologyType}, err
		}
	}
	if p.Clusters == nil {
		if _, err := metav1.LabelSelectorAsSelector(p.Selector); err != nil {
			return Placement{TopologyType: p.TopologyType}, fmt.Errorf("spec.placement.%s: %w: correct it, or name the %s", r.word(selectorKey), err, r.word(listKey))
		}
	}
	return p, nil
}

// anyPlacement reads a placement as upstream does.
func (r *reader) anyPlacement(value any) ([]string, *metav1.LabelSelector, error) {
	spec, err := r.asV1Beta1("placement", value)
	if err != nil {
		return nil, nil, err
	}
	var placement struct {
		Clusters        namedList             `json:"clusters"`
		ClusterSelector *metav1.LabelSelector `json:"clusterSelector"`
	}
	if err := decode(spec, "placement", "spec.placement", &placement); err != nil {
		return nil, nil, err
	}
	return placement.Clusters.strings(), placement.ClusterSelector, nil
}

// plainPlacement reads a placement that holds nothing but a list of names and a selector that means what it says. It
// reports false for any other.
func (r *reader) plainPlacement(value any) ([]string, *metav1.LabelSelector, bool) {
	placement, ok := value.(map[string]any)
	if !ok {
		return nil, nil, false
	}
	var names []string
	var selector *metav1.LabelSelector
	for key, value := range placement {
		switch key {
		case r.word(listKey):
			if names, ok = r.plainNames(value); !ok {
				return nil, nil, false
			}
		case r.word(selectorKey):
			if selector, ok = r.plainSelector(value); !ok {
				return nil, nil, false
			}
		default:
			return nil, nil, false
		}
	}
	return names, selector, true
}

// plainNames reads a list of objects that hold a name and nothing else.
func (r *reader) plainNames(value any) ([]string, bool) {
	if value == nil {
		return nil, true
	}
	list, ok := value.([]any)
	if !ok {
		return nil, false
	}
	names := make([]string, 0, len(list))
	for _, value := range list {
		item, ok := value.(map[string]any)
		if !ok || len(item) != 1 {
			return nil, false
		}
		name, ok := item["name"].(string)
		if !ok {
			return nil, false
		}
		names = append(names, r.cluster(name))
	}
	return names, true
}

// mask reads the mask. Upstream does not know it, so nothing has to be read as upstream would: what is not exactly a mask
// is refused, since it could stand for less than what it seems to allow.
func (r *reader) mask() (*Mask, error) {
	value, ok := r.spec["placementMask"]
	if !ok {
		return nil, nil
	}
	const path = "spec.placementMask"
	key := r.word(listKey)
	mask, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%s is a %T: it must be an object with %s, or be left out, which allows everything", path, value, key)
	}
	for field := range mask {
		if field != key {
			return nil, fmt.Errorf("%s.%s is not known in %s: name what a change may touch in %s.%s", path, field, r.version(), path, key)
		}
	}
	value, ok = mask[key]
	if !ok {
		// Somebody wrote a mask. That it names nothing may be what an API server left of a misspelled list.
		return &Mask{Clusters: []string{}}, nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s.%s is a %T: it must be a list; an empty one allows nothing", path, key, value)
	}
	m := &Mask{Clusters: make([]string, 0, len(list))}
	for i, value := range list {
		item, _ := value.(map[string]any)
		name, ok := item["name"].(string)
		if !ok {
			return nil, fmt.Errorf("%s.%s[%d] has no name: give it the name of what a change may touch", path, key, i)
		}
		m.Clusters = append(m.Clusters, r.cluster(name))
	}
	return m, nil
}

func (r *reader) version() string {
	if r.v2 {
		return V2Beta1
	}
	return V1Beta1
}

func (r *reader) template() (map[string]any, bool, error) {
	var template map[string]any
	if value, ok := r.spec["template"]; ok {
		if template, ok = value.(map[string]any); !ok {
			return nil, false, fmt.Errorf("spec.template is a %T: it must be an object, or be left out", value)
		}
	}
	retain := false
	if value, ok := r.spec["retainReplicas"]; ok {
		if retain, ok = value.(bool); !ok {
			return nil, false, fmt.Errorf("spec.retainReplicas %v is a %T: it must be true or false", value, value)
		}
	}
	return template, retain, nil
}

// asV1Beta1 returns a spec of v1beta1 that holds one field of this one.
func (r *reader) asV1Beta1(field string, value any) (map[string]any, error) {
	if !r.v2 {
		return map[string]any{field: value}, nil
	}
	spec := map[string]any{field: value}
	if typ, ok := r.spec[topologyTypeKey]; ok {
		spec[topologyTypeKey] = typ
	}
	data, err := json.Marshal(map[string]any{
		"apiVersion": APIVersionV2Beta1,
		"metadata":   map[string]any{"namespace": r.namespace},
		"spec":       spec,
	})
	if err != nil {
		return nil, fmt.Errorf("spec.%s: %w", field, err)
	}
	if data, err = Convert(data, V1Beta1); err != nil {
		return nil, fmt.Errorf("spec.%s: %w", field, err)
	}
	// Two fields of v2beta1 can become the same one of v1beta1. The last one counts, as it does for API servers, where
	// decoding both into a struct would mix them.
	var converted map[string]any
	if err := utiljson.Unmarshal(data, &converted); err != nil {
		return nil, fmt.Errorf("spec.%s: %w", field, err)
	}
	return child(converted, "spec")
}
