package tenants

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kubefedv1beta1 "sigs.k8s.io/kubefed/pkg/apis/core/v1beta1"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/e2e/framework"
)

// facade returns a caller of a cell's façade that has the cell's token, as if it had leaked.
func (w *world) facade(ctx context.Context, namespace, cell string) (*caller, error) {
	config, err := w.env.Cellfed.CellConfig(ctx, namespace, cell)
	if err != nil {
		return nil, err
	}
	token := config.BearerToken
	config.BearerToken = ""
	// An upgrade, and a header that is sent as it is, are of HTTP/1.1.
	config.NextProtos = []string{"http/1.1"}
	made, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	made.Timeout = quickly
	return &caller{base: config.Host, http: made, facade: true, header: http.Header{"Authorization": {"Bearer " + token}}}, nil
}

// through sends a request through the façade of the tenant's cell on the shared member, with that cell's token.
func through(method, path, contentType, body string, headers ...string) func(*run1) answer {
	return func(r *run1) answer {
		facade, err := r.world.facade(r.ctx, acmeProd, "c1")
		if err != nil {
			return r.failed(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			facade.header.Set(headers[i], headers[i+1])
		}
		return r.clean(facade.call(r.ctx, method, strings.ReplaceAll(path, "$NAME", r.name), contentType, []byte(strings.ReplaceAll(body, "$NAME", r.name))))
	}
}

// clean fails the try where an answer holds what another keeps secret.
func (r *run1) clean(got answer) answer {
	if strings.Contains(string(got.body), marker) || strings.Contains(string(got.body), base64.StdEncoding.EncodeToString([]byte(marker))) {
		r.Errorf("the answer of the façade holds what another keeps secret: %s", got.body)
		got.message, got.layer = "it holds a secret of another's", "leak"
	}
	return got
}

// at sends the request to the façade of the other tenant's cell.
func (r *run1) at(token func(own, foreign string) string) answer {
	foreign, err := r.world.facade(r.ctx, globexProd, "g1")
	if err != nil {
		return r.failed(err)
	}
	own, err := r.world.facade(r.ctx, acmeProd, "c1")
	if err != nil {
		return r.failed(err)
	}
	header := token(own.header.Get("Authorization"), foreign.header.Get("Authorization"))
	foreign.header.Del("Authorization")
	if header != "" {
		foreign.header.Set("Authorization", header)
	}
	return r.clean(foreign.get(r.ctx, "/api/v1/namespaces/globex-prod/secrets"))
}

// byFacadeAlone is every refusal of the façade.
var byFacadeAlone = refused(byFacade)

// facadeTokens are tries to open the façade of a cell without its token.
func facadeTokens(*propagation) []try {
	with := func(token func(own, foreign string) string) func(*run1) answer {
		return func(r *run1) answer { return r.at(token) }
	}
	return []try{
		{"no token, to the other tenant's cell", with(func(_, _ string) string { return "" }), byFacadeAlone},
		{"an empty token", with(func(_, _ string) string { return "Bearer " }), byFacadeAlone},
		{"the token of an own cell, to the other tenant's", with(func(own, _ string) string { return own }), byFacadeAlone},
		{"the right token under another scheme", with(func(_, foreign string) string { return strings.Replace(foreign, "Bearer", "Basic", 1) }), byFacadeAlone},
		{"the right token cut short", with(func(_, foreign string) string { return foreign[:len(foreign)-1] }), byFacadeAlone},
		{"the hash of nothing", with(func(_, _ string) string {
			return "Bearer e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
		}), byFacadeAlone},
		{"the own token twice, the second for the other tenant's cell", func(r *run1) answer {
			foreign, err := r.world.facade(r.ctx, globexProd, "g1")
			if err != nil {
				return r.failed(err)
			}
			foreign.header["Authorization"] = []string{"Bearer x", foreign.header.Get("Authorization")}
			return r.clean(foreign.get(r.ctx, "/api/v1/namespaces/globex-prod/secrets"))
		}, byFacadeAlone},
		{"the token in the query", func(r *run1) answer {
			facade, err := r.world.facade(r.ctx, acmeProd, "c1")
			if err != nil {
				return r.failed(err)
			}
			token := strings.TrimPrefix(facade.header.Get("Authorization"), "Bearer ")
			facade.header.Del("Authorization")
			return r.clean(facade.get(r.ctx, "/api/v1/namespaces/acme-prod/secrets?access_token="+token))
		}, byFacadeAlone},
		{"a token of the host's API server", func(r *run1) answer {
			facade, err := r.world.facade(r.ctx, acmeProd, "c1")
			if err != nil {
				return r.failed(err)
			}
			token := r.world.host.send(r.ctx, http.MethodPost, "/api/v1/namespaces/acme-prod/serviceaccounts/default/token",
				map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": map[string]any{}})
			var made struct{ Status struct{ Token string } }
			if err := token.decode(&made); err != nil || made.Status.Token == "" {
				return r.failed(fmt.Errorf("%w: %s", err, token.message))
			}
			facade.header.Set("Authorization", "Bearer "+made.Status.Token)
			return r.clean(facade.get(r.ctx, "/api/v1/namespaces/acme-prod/secrets"))
		}, byFacadeAlone},
		{"a cell that there is not", func(r *run1) answer {
			facade, err := r.world.facade(r.ctx, acmeProd, "c1")
			if err != nil {
				return r.failed(err)
			}
			facade.base = r.world.env.Cellfed.FacadeURL() + "/cells/acme-prod/none"
			return r.clean(facade.get(r.ctx, "/api/v1/namespaces/acme-prod/secrets"))
		}, byFacadeAlone},
		{"a token that was replaced", staleToken, byFacadeAlone},
	}
}

// staleToken uses a token whose Secret is gone: another has taken its place.
func staleToken(r *run1) answer {
	facade, err := r.world.facade(r.ctx, acmeProd, "a1")
	if err != nil {
		return r.failed(err)
	}
	host := r.world.env.Host.Client
	cluster := &kubefedv1beta1.KubeFedCluster{}
	key := client.ObjectKey{Namespace: framework.KubeFedNamespace, Name: acmeProd + ".a1"}
	if err := host.Get(r.ctx, key, cluster); err != nil {
		return r.failed(err)
	}
	old := cluster.Spec.SecretRef.Name
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: framework.KubeFedNamespace, Name: old}}
	if err := host.Delete(r.ctx, secret); err != nil {
		return r.failed(err)
	}
	err = framework.Poll(r.ctx, soon, "another token", func(ctx context.Context) error {
		if err := host.Get(ctx, key, cluster); err != nil {
			return err
		}
		if cluster.Spec.SecretRef.Name == old {
			return fmt.Errorf("the KubeFedCluster still names %s", old)
		}
		return nil
	})
	if err != nil {
		return r.failed(err)
	}
	// The replica forgets the old one as soon as its watch tells it.
	got := answer{code: http.StatusOK}
	err = framework.Poll(r.ctx, quickly, "the old token to be good for nothing", func(ctx context.Context) error {
		if got = facade.get(ctx, "/api/v1/namespaces/acme-prod/configmaps"); got.succeeded() {
			return errThere
		}
		return nil
	})
	if err != nil {
		return r.failed(err)
	}
	return got
}

// ofTheCell returns nil if a list shows nothing but what is in the namespace of the tenant's cell.
func ofTheCell(got answer) error {
	var list metav1.PartialObjectMetadataList
	if err := got.decode(&list); err != nil {
		return err
	}
	for _, item := range list.Items {
		if item.Namespace != acmeProd && (item.Namespace != "" || item.Name != acmeProd) {
			return framework.Final(fmt.Errorf("it shows %s/%s", item.Namespace, item.Name))
		}
	}
	return nil
}

// facadeRequests are tries to leave a cell through its façade, with the cell's own token.
func facadeRequests(*propagation) []try {
	get, post, put, del := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete
	const own = "/api/v1/namespaces/acme-prod"
	sees := func(why string) want { return harmless(why, func(r *run1) error { return ofTheCell(r.answer) }) }
	all := []try{
		{"the other tenant's namespace", through(get, "/api/v1/namespaces/globex-plain/secrets", "", ""), byFacadeAlone},
		{"the other tenant's target namespace", through(get, "/api/v1/namespaces/globex-prod-c1/secrets/books", "", ""), byFacadeAlone},
		{"the own target namespace, by the member's name", through(get, "/api/v1/namespaces/acme-prod-c1/secrets", "", ""), byFacadeAlone},
		{"kube-system", through(get, "/api/v1/namespaces/kube-system/secrets", "", ""), byFacadeAlone},
		{"kube-system, create", through(post, "/api/v1/namespaces/kube-system/configmaps", "application/json", `{"metadata":{"name":"$NAME"}}`), byFacadeAlone},
		{"Secrets of all namespaces, list", through(get, "/api/v1/secrets", "", ""), sees("those of the cell")},
		{"Secrets of all namespaces, by field", through(get, "/api/v1/secrets?fieldSelector=metadata.namespace%3Dglobex-plain", "", ""), sees("none")},
		{"Secrets of all namespaces, by label", through(get, "/api/v1/secrets?labelSelector=cellfed.io%2Fnamespace%3Dglobex-prod", "", ""), sees("none")},
		{"Secrets of all namespaces, delete", through(del, "/api/v1/secrets", "", ""), byFacadeAlone},
		{"all Namespaces, list", through(get, "/api/v1/namespaces", "", ""), sees("the cell's own")},
		{"another Namespace, get", through(get, "/api/v1/namespaces/globex-plain", "", ""), byFacadeAlone},
		{"another Namespace, create", through(post, "/api/v1/namespaces", "application/json", `{"metadata":{"name":"globex-x"}}`), byFacadeAlone},
		{"the own Namespace, finalize", through(put, own+"/finalize", "application/json", `{"metadata":{"name":"acme-prod"}}`), byFacadeAlone},
		{"all Namespaces, delete", through(del, "/api/v1/namespaces", "", ""), byFacadeAlone},
		{"ClusterRoles, list", through(get, "/apis/rbac.authorization.k8s.io/v1/clusterroles", "", ""), sees("none")},
		{"ClusterRoleBinding, create", through(post, "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "application/json",
			`{"metadata":{"name":"$NAME"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"}}`), byFacadeAlone},
		{"CustomResourceDefinition, create", through(post, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json", `{}`), byFacadeAlone},
		{"a Node, patch", through(http.MethodPatch, "/api/v1/nodes/node-1", mergePatch, `{}`), byFacadeAlone},
		{"a Node, proxy", through(get, "/api/v1/nodes/node-1/proxy/", "", ""), byFacadeAlone},
		{"what the server says of its rights", through(post, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", "application/json", `{}`), byFacadeAlone},
		{"metrics of the member", through(get, "/metrics", "", ""), byFacadeAlone},
		{"logs of the member", through(get, "/logs/", "", ""), byFacadeAlone},
		{"debug of the member", through(get, "/debug/pprof/", "", ""), byFacadeAlone},
		{"body of another namespace", through(post, own+"/configmaps", "application/json", `{"metadata":{"name":"$NAME","namespace":"globex-plain"}}`), byFacadeAlone},
		{"label of another cell in a body", through(post, own+"/configmaps", "application/json",
			`{"metadata":{"name":"$NAME","labels":{"cellfed.io/namespace":"globex-prod","cellfed.io/cell":"c1","cellfed.io/managed":"true"}}}`), byFacadeAlone},
		{"label of another cell in a patch", through(http.MethodPatch, own+"/configmaps/found", mergePatch,
			`{"metadata":{"labels":{"cellfed.io/namespace":"globex-prod"}}}`), byFacadeAlone},
		{"namespace in a JSON patch", through(http.MethodPatch, own+"/configmaps/found", jsonPatch,
			`[{"op":"replace","path":"/metadata/namespace","value":"globex-plain"}]`), byFacadeAlone},
		{"what is fenced, create", through(post, own+"/secrets", "application/json", `{"metadata":{"name":"$NAME"}}`), byFacadeAlone},
		{"token of an account", through(post, own+"/serviceaccounts/default/token", "application/json", `{}`), byFacadeAlone},
		{"binding of a Pod", through(post, own+"/pods/x/binding", "application/json", `{}`), byFacadeAlone},
		{"GET that is a DELETE by a header", through(get, own+"/configmaps/no-such", "", "", "X-HTTP-Method-Override", "DELETE"), byFacadeAlone},
		{"method TRACE", through("TRACE", own+"/configmaps", "", ""), byFacadeAlone},
		{"method CONNECT", through("CONNECT", own+"/configmaps", "", ""), byFacadeAlone},
	}
	for _, sub := range []string{"exec", "attach", "portforward", "proxy", "ephemeralcontainers"} {
		all = append(all, try{"Pod, " + sub, through(post, own+"/pods/x/"+sub+"?command=id", "", ""), byFacadeAlone})
	}
	all = append(all, try{"Pod, exec by WebSocket", through(get, own+"/pods/x/exec?command=id", "", "",
		"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), byFacadeAlone})
	all = append(all, try{"Service, proxy", through(get, own+"/services/x/proxy/", "", ""), byFacadeAlone})
	all = append(all, try{"watch by WebSocket of the other tenant's namespace", through(get, "/api/v1/namespaces/globex-plain/secrets?watch=1", "", "",
		"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="), byFacadeAlone})
	for _, header := range []string{"Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-Scopes"} {
		all = append(all, try{"header " + header, through(get, own+"/configmaps", "", "", header, "system:masters"), byFacadeAlone})
	}
	for _, header := range []string{"X-Remote-User", "X-Remote-Group"} {
		all = append(all, try{"header " + header, through(get, "/api/v1/namespaces/kube-system/secrets", "", "", header, "system:masters"), byFacadeAlone})
	}
	for _, path := range []string{
		"/api/v1/namespaces/acme-prod/../kube-system/secrets", "/api/v1/namespaces/acme-prod/%2e%2e/kube-system/secrets",
		"/api/v1/namespaces/acme-prod/%2E%2E/kube-system/secrets", "/api/v1/namespaces/acme-prod%2f..%2fkube-system/secrets",
		"/api/v1/namespaces/acme-prod/secrets/..%2f..%2fkube-system%2fsecrets%2fkeys", "/api/v1/namespaces//kube-system/secrets",
		"//api/v1/namespaces/kube-system/secrets", "/api/v1/namespaces/./kube-system/secrets", "/api//v1/secrets",
		"/api/v1/namespaces/acme-prod/secrets%3ffieldSelector=x", "/api/v1/namespaces/acme-prod/secrets%00",
		"/api/v1/namespaces/acme-prod%5c..%5ckube-system/secrets", "/api/v1/namespaces/%252e%252e/secrets",
		"/api/v1/namespaces/kube%2dsystem/secrets", "/api/v1/watch/namespaces/kube-system/secrets", "/api/v1/proxy/namespaces/kube-system/pods/x",
		"/../../globex-prod/g1/api/v1/namespaces/globex-prod/secrets", "/%2e%2e/%2e%2e/globex-prod/g1/api/v1/namespaces/globex-prod/secrets",
	} {
		all = append(all, try{"path " + path, through(get, path, "", ""), byFacadeAlone})
	}
	return all
}
