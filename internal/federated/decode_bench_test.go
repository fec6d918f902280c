package federated

import (
	"fmt"
	"strings"
	"testing"
)

// benchObject is a FederatedDeployment with a template of about 4 KiB, ten topologies, an override for each and a status.
func benchObject(version, placement string) string {
	var list, overrides, status []string
	for i := range 10 {
		name := fmt.Sprintf("rz%02da", i)
		if version == V1Beta1 {
			name = "acme-prod." + name
		}
		list = append(list, fmt.Sprintf(`{"name":%q}`, name))
		overrides = append(overrides, fmt.Sprintf(`{"clusterName":%q,"clusterOverrides":[{"path":"/spec/replicas","value":%d}]}`, name, i))
		status = append(status, fmt.Sprintf(`{"name":%q,"generation":3,"appliedVersion":"0123456789abcdef:gen:4","remoteStatus":{"replicas":3,"readyReplicas":3}}`, name))
	}
	var env []string
	for i := range 80 {
		env = append(env, fmt.Sprintf(`{"name":"VARIABLE_%02d","value":"the value of %02d"}`, i, i))
	}
	if placement == "" {
		placement = `{"clusters":[` + strings.Join(list, ",") + `]}`
	}
	object := fmt.Sprintf(`{"apiVersion":"types.kubefed.io/%s","kind":"FederatedDeployment","metadata":{"name":"pay","namespace":"acme-prod","uid":"u","generation":3},
		"spec":{"topologyType":"cell","placement":%s,"placementMask":{"clusters":[%s]},"overrides":[%s],
		"template":{"spec":{"replicas":1,"template":{"spec":{"containers":[{"name":"app","env":[%s]}]}}}}},"status":{"clusters":[%s]}}`,
		version, placement, strings.Join(list, ","), strings.Join(overrides, ","), strings.Join(env, ","), strings.Join(status, ","))
	if version == V2Beta1 {
		object = strings.NewReplacer("clusterSelector", "topologySelector", "clusterName", "topologyName", "clusterOverrides", "topologyOverrides", "clusters", "topologies").Replace(object)
	}
	return object
}

func BenchmarkDecode(b *testing.B) {
	cases := map[string]string{
		"v1beta1":          benchObject(V1Beta1, ""),
		"v2beta1":          benchObject(V2Beta1, ""),
		"v2beta1/selector": benchObject(V2Beta1, `{"clusterSelector":{"matchLabels":{"city":"hangzhou"}}}`),
	}
	for name, object := range cases {
		b.Run(name, func(b *testing.B) {
			u := unstructuredOf(b, object)
			b.ReportAllocs()
			for b.Loop() {
				if o, err := Decode(u); err != nil || o.Invalid != nil {
					b.Fatal(err, o.Invalid)
				}
			}
		})
	}
}

// What people write is read where it is: the long way costs more than the rest of a reconcile.
func TestPlainObjectsTakeTheShortWay(t *testing.T) {
	for _, version := range []string{V1Beta1, V2Beta1} {
		u := unstructuredOf(t, benchObject(version, `{"clusterSelector":{"matchLabels":{"city":"hangzhou"}}}`))
		spec := u.Object["spec"].(map[string]any)
		if _, _, ok := newReader(version, u.GetNamespace(), spec).plainPlacement(spec["placement"]); !ok {
			t.Errorf("%s: a selector is not read where it is", version)
		}
		u = unstructuredOf(t, benchObject(version, ""))
		spec = u.Object["spec"].(map[string]any)
		r := newReader(version, u.GetNamespace(), spec)
		if _, _, ok := r.plainPlacement(spec["placement"]); !ok {
			t.Errorf("%s: a list of names is not read where it is", version)
		}
		if _, ok := r.plainOverrides(spec["overrides"]); !ok {
			t.Errorf("%s: overrides are not read where they are", version)
		}
	}
}
