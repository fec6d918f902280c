// Package datastore provides the etcd API that a kube-apiserver stores its objects in: an etcd that is
// there already, or kine, in this process, on SQLite or any other database that it speaks.
package datastore

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// FlagEndpoint is the name of the flag that Parse's errors speak of.
const FlagEndpoint = "--datastore-endpoint"

// wayOut tells what the flag takes.
const wayOut = "give sqlite://<file>, mysql://<user>:<password>@tcp(<host>:<port>)/<database>, postgres://<user>:<password>@<host>:<port>/<database>, " +
	"nats://<host>:<port>, or etcd as http(s)://<host>:<port>[,...]; leave the flag out for SQLite in the data directory"

// Endpoint is where objects are stored.
type Endpoint struct {
	// Raw is the endpoint with everything that its driver needs. It may hold a password.
	Raw string
	// Etcd are the URLs of an etcd. Nil means that kine serves Raw.
	Etcd []string

	// given is what String shows.
	given string
}

// kineSchemes are the databases that kine stores objects in. Its in-memory and splitting drivers are
// left out: the one loses what it acknowledged, the other needs a file that no flag here names.
var kineSchemes = []string{"sqlite", "mysql", "postgres", "postgresql", "nats", "jetstream", "t4"}

// ParseEndpoint checks an endpoint. An empty one means SQLite in the file defaultFile. An error
// names the flag, the value without its password, and what the flag takes.
func ParseEndpoint(raw, defaultFile string) (*Endpoint, error) {
	if raw == "" {
		return &Endpoint{Raw: SQLite(defaultFile), given: "sqlite://" + defaultFile}, nil
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	if !ok {
		return nil, endpointError(raw, errors.New("it has no scheme"))
	}
	if scheme == "http" || scheme == "https" {
		urls, err := parseEtcd(raw)
		if err != nil {
			return nil, endpointError(raw, err)
		}
		return &Endpoint{Raw: raw, Etcd: urls, given: redact(raw)}, nil
	}
	if !slices.Contains(kineSchemes, scheme) {
		return nil, endpointError(raw, fmt.Errorf("the scheme %q is none that objects can be stored with", scheme))
	}
	if rest == "" {
		return nil, endpointError(raw, fmt.Errorf("nothing follows %s://", scheme))
	}
	if err := checkDSN(scheme, raw, rest); err != nil {
		return nil, endpointError(raw, err)
	}
	e := &Endpoint{Raw: raw, given: redact(raw)}
	if scheme == "sqlite" && !strings.Contains(rest, "?") {
		// Without kine's parameters SQLite would lock out readers at every write.
		e.Raw += "?" + sqliteParameters
	}
	return e, nil
}

// sqliteParameters are kine's own, but for the shared cache, which would make readers fail beside a
// writer.
const sqliteParameters = "_journal_mode=WAL&_busy_timeout=30000&_synchronous=NORMAL&_txlock=immediate&_stmt_cache_size=20"

// SQLite returns the endpoint of the SQLite database in file, with kine's own parameters. Where a character of the path
// would end it or be unescaped, the path is written as a URI, which only the driver in C reads (cgo): kine takes it for a
// relative path otherwise. Commits survive the end of the process, however it ends; the last ones may not survive a loss of
// power, which _synchronous=FULL in an endpoint of one's own buys for one sync a write.
func SQLite(file string) string {
	if strings.ContainsAny(file, "?#%") {
		file = (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: file}).EscapedPath()}).String()
	}
	return "sqlite://" + file + "?" + sqliteParameters
}

// String is the endpoint as it was given, without its password.
func (e *Endpoint) String() string { return e.given }

func parseEtcd(raw string) ([]string, error) {
	var urls []string
	for _, one := range strings.Split(raw, ",") {
		u, err := url.Parse(one)
		switch {
		case err != nil:
			return nil, fmt.Errorf("%q is not a URL", redact(one))
		case u.Scheme != "http" && u.Scheme != "https":
			return nil, fmt.Errorf("%q is not an http or https URL, as every URL of an etcd is", redact(one))
		case u.Hostname() == "":
			return nil, fmt.Errorf("%q names no host", redact(one))
		case u.Port() == "":
			return nil, fmt.Errorf("%q names no port, which is 2379 for most etcds", redact(one))
		case u.User != nil:
			return nil, fmt.Errorf("%q holds a user: an etcd is reached with a client certificate (--datastore-cert-file, --datastore-key-file)", redact(one))
		case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
			return nil, fmt.Errorf("%q has more than a host and a port", redact(one))
		}
		urls = append(urls, u.Scheme+"://"+u.Host)
	}
	return urls, nil
}

// checkDSN finds what the database's driver would only report after its retries.
func checkDSN(scheme, raw, rest string) error {
	switch scheme {
	case "mysql":
		if _, err := mysql.ParseDSN(withDatabase(rest)); err != nil {
			return fmt.Errorf("it is not a MySQL data source name: %w", err)
		}
	case "postgres", "postgresql", "nats", "jetstream":
		for _, one := range strings.Split(raw, ",") {
			if !strings.Contains(one, "://") {
				one = scheme + "://" + one
			}
			u, err := url.Parse(one)
			if err != nil {
				return errors.New("it is not a URL: percent-encode what is special in the user and the password")
			}
			if u.Host == "" && scheme != "nats" && scheme != "jetstream" {
				return errors.New("it names no host")
			}
		}
	}
	return nil
}

// withDatabase completes a MySQL data source name that ends with its address, as kine does.
func withDatabase(dsn string) string {
	if strings.Contains(dsn, "/") {
		return dsn
	}
	return dsn + "/"
}

func endpointError(raw string, err error) error {
	return fmt.Errorf("%s %q is no datastore: %w: %s", FlagEndpoint, redact(raw), err, wayOut)
}

// passwordParameter is a password among the parameters of a URL, as Postgres takes it.
var passwordParameter = regexp.MustCompile(`(?i)([?&][a-z]*password=)[^&,]*`)

// redact hides passwords: what stands between the user's colon and the last at sign before the path, in any of
// the forms that drivers take, valid or not, and in parameters. A lone user of NATS is a token.
func redact(raw string) string {
	raw = passwordParameter.ReplaceAllString(raw, "${1}xxxxx")
	prefix, rest := "", raw
	scheme, after, ok := strings.Cut(raw, "://")
	if ok {
		prefix, rest = scheme+"://", after
	}
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return raw
	}
	user, _, ok := strings.Cut(rest[:at], ":")
	switch {
	case ok:
		return prefix + user + ":xxxxx" + rest[at:]
	case scheme == "nats" || scheme == "jetstream":
		return prefix + "xxxxx" + rest[at:]
	default:
		return raw
	}
}
