package datastore

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseEndpoint(t *testing.T) {
	cases := map[string]struct {
		reason string
		raw    string
		want   Endpoint
	}{
		"Default": {
			reason: "No endpoint is SQLite in the data directory, whatever characters its path has",
			raw:    "",
			want:   Endpoint{Raw: "sqlite://file:/data/50%25%3F/state.db?" + sqliteParameters},
		},
		"SQLite": {
			reason: "A file alone gets kine's parameters",
			raw:    "sqlite:///srv/x.db",
			want:   Endpoint{Raw: "sqlite:///srv/x.db?" + sqliteParameters},
		},
		"SQLiteWithParameters": {
			reason: "Parameters of one's own are left as they are",
			raw:    "sqlite:///srv/x.db?_journal_mode=WAL&_synchronous=FULL",
			want:   Endpoint{Raw: "sqlite:///srv/x.db?_journal_mode=WAL&_synchronous=FULL"},
		},
		"MySQL": {
			reason: "MySQL's own form of a data source name",
			raw:    "mysql://root:pw@tcp(127.0.0.1:3306)/kine",
			want:   Endpoint{Raw: "mysql://root:pw@tcp(127.0.0.1:3306)/kine"},
		},
		"MySQLWithoutDatabase": {
			reason: "kine names the database itself",
			raw:    "mysql://root:pw@tcp(127.0.0.1:3306)",
			want:   Endpoint{Raw: "mysql://root:pw@tcp(127.0.0.1:3306)"},
		},
		"PostgreSQL": {
			reason: "A URL",
			raw:    "postgres://u:p%40w@db:5432/kine?sslmode=disable",
			want:   Endpoint{Raw: "postgres://u:p%40w@db:5432/kine?sslmode=disable"},
		},
		"NATS": {
			reason: "Several servers",
			raw:    "nats://a:4222,b:4222",
			want:   Endpoint{Raw: "nats://a:4222,b:4222"},
		},
		"Etcd": {
			reason: "etcd is reached directly",
			raw:    "http://127.0.0.1:2379",
			want:   Endpoint{Raw: "http://127.0.0.1:2379", Etcd: []string{"http://127.0.0.1:2379"}},
		},
		"EtcdMembers": {
			reason: "Every member of an etcd cluster",
			raw:    "https://a:2379,https://[::1]:2379/",
			want:   Endpoint{Raw: "https://a:2379,https://[::1]:2379/", Etcd: []string{"https://a:2379", "https://[::1]:2379"}},
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ParseEndpoint(tc.raw, "/data/50%?/state.db")
			if err != nil {
				t.Fatalf("%s: %v", tc.reason, err)
			}
			got.given = ""
			if diff := cmp.Diff(tc.want, *got, cmp.AllowUnexported(Endpoint{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestParseEndpointRefuses(t *testing.T) {
	cases := map[string]struct {
		reason string
		raw    string
		// shown is how the error names the value, if not as it was given.
		shown string
	}{
		"NoScheme":         {reason: "A host alone may be anything", raw: "127.0.0.1:2379"},
		"UnknownScheme":    {reason: "No driver", raw: "ftp://x"},
		"Memory":           {reason: "It would lose what it acknowledged", raw: "memory://"},
		"Nothing":          {reason: "No address", raw: "mysql://"},
		"MySQLAsURL":       {reason: "MySQL's data source name is not a URL", raw: "mysql://root:secret@db:3306/kine", shown: "mysql://root:xxxxx@db:3306/kine"},
		"PostgresNoHost":   {reason: "A database without a host", raw: "postgres:///kine"},
		"PostgresNoURL":    {reason: "A percent sign that encodes nothing", raw: "postgres://u:sec%ret@db/kine", shown: "postgres://u:xxxxx@db/kine"},
		"EtcdNoHost":       {reason: "A URL without a host", raw: "http://"},
		"EtcdNoPort":       {reason: "An etcd has no port of its own", raw: "http://etcd"},
		"EtcdPath":         {reason: "A path would be ignored", raw: "http://etcd:2379/v2"},
		"EtcdPassword":     {reason: "A password would be ignored", raw: "https://u:secret@etcd:2379", shown: "https://u:xxxxx@etcd:2379"},
		"EtcdListNoScheme": {reason: "Every member has a scheme", raw: "http://a:2379,b:2379"},
		"EtcdListMixed":    {reason: "A database is no member of an etcd", raw: "http://a:2379,mysql://b"},
		"EtcdNoURL":        {reason: "A broken escape", raw: "http://a%zz:2379"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := ParseEndpoint(tc.raw, "/x")
			if err == nil {
				t.Fatalf("%s: got no error", tc.reason)
			}
			shown := tc.shown
			if shown == "" {
				shown = tc.raw
			}
			for _, part := range []string{FlagEndpoint, shown, "sqlite://<file>"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "sec%ret") {
				t.Errorf("error %q tells the password", err)
			}
		})
	}
}

func TestEndpointString(t *testing.T) {
	for raw, want := range map[string]string{
		"postgres://u@db:5432/kine?password=secret&sslmode=disable": "postgres://u@db:5432/kine?password=xxxxx&sslmode=disable",
		"postgres://db/kine?sslkey=k&sslpassword=secret":            "postgres://db/kine?sslkey=k&sslpassword=xxxxx",
		"nats://s3cret@a:4222":                                      "nats://xxxxx@a:4222",
		"":                                                          "sqlite:///data/state.db",
		"sqlite:///srv/x.db":                                        "sqlite:///srv/x.db",
		"mysql://root:a@b:c@tcp(h:3306)/d":                          "mysql://root:xxxxx@tcp(h:3306)/d",
		"postgres://u:pw@h:5432/d":                                  "postgres://u:xxxxx@h:5432/d",
		"nats://u:pw@h:4222":                                        "nats://u:xxxxx@h:4222",
		"http://127.0.0.1:1,http://[::1]:12":                        "http://127.0.0.1:1,http://[::1]:12",
	} {
		e, err := ParseEndpoint(raw, "/data/state.db")
		if err != nil {
			t.Errorf("%q: %v", raw, err)
			continue
		}
		if e.String() != want {
			t.Errorf("%q is shown as %q, want %q", raw, e, want)
		}
	}
}
