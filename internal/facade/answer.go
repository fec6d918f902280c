package facade

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/cellfed/cellfed/internal/facade/mapping"
)

// returned are the headers of a member that clients see.
var returned = []string{
	"Audit-Id", "Cache-Control", "Content-Type", "Date", "Etag", "Expires", "Last-Modified", "Retry-After", "Vary", "Warning",
	"X-Kubernetes-Pf-Flowschema-Uid", "X-Kubernetes-Pf-Prioritylevel-Uid",
}

func (x *exchange) copyHeader(resp *http.Response) {
	for _, name := range returned {
		if values := resp.Header.Values(name); len(values) > 0 {
			x.w.Header()[name] = values
		}
	}
}

// fail answers with an error as a Kubernetes Status. After the answer has begun it breaks it off instead.
func (x *exchange) fail(err error) {
	if x.w.began() {
		panic(http.ErrAbortHandler)
	}
	if errors.Is(err, context.Canceled) {
		// Nobody reads this; it is counted.
		err = errClientGone
	}
	status := apierrors.NewInternalError(errors.New("the façade cannot answer")).ErrStatus
	var known apierrors.APIStatus
	if errors.As(err, &known) {
		status = known.Status()
	} else {
		x.handler.log.Error(err, "Cannot answer a request", "verb", x.verb(), "resource", x.resource())
	}
	x.writeStatus(status)
}

func (x *exchange) writeStatus(status metav1.Status) {
	status.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	body, err := json.Marshal(status)
	if err != nil {
		body = []byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","code":500}`)
		status.Code = http.StatusInternalServerError
	}
	x.w.Header().Set("Content-Type", jsonType)
	x.w.Header().Set("Cache-Control", "no-cache, private")
	x.write(int(status.Code), body)
}

// write answers with a whole body.
func (x *exchange) write(code int, body []byte) {
	x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(code)
	x.extend()
	_, _ = x.w.Write(body)
}

// extend gives the client time to take what is written next.
func (x *exchange) extend() {
	_ = http.NewResponseController(x.w).SetWriteDeadline(time.Now().Add(x.handler.timeout))
}

// relayObject answers with a single object, or a Status, of the member.
func (x *exchange) relayObject(ctx context.Context, resp *http.Response) error {
	if resp.StatusCode >= 400 {
		return x.relayError(ctx, resp)
	}
	body, err := x.readObject(ctx, resp)
	if err != nil {
		return err
	}
	if mapping.IsStatus(body) {
		body = x.target.View.StatusOut(body)
	} else if body, _ = x.target.View.ObjectOut(x.request.Resource, body, x.route.BareRows); body == nil {
		return apierrors.NewNotFound(x.request.GroupResource(), x.request.Name)
	}
	x.copyHeader(resp)
	x.w.Header().Set("Content-Type", jsonType)
	x.write(resp.StatusCode, body)
	return nil
}

// readObject reads an answer that is a single JSON object.
func (x *exchange) readObject(ctx context.Context, resp *http.Response) ([]byte, error) {
	if !isJSON(resp.Header.Get("Content-Type")) {
		return nil, x.garbage("no JSON")
	}
	body, err := io.ReadAll(io.LimitReader(&progressReader{x: x, r: resp.Body}, mapping.MaxValue+1))
	if err != nil {
		return nil, x.memberError(ctx, err)
	}
	if len(body) > mapping.MaxValue {
		return nil, x.garbage(fmt.Sprintf("an object of more than %d bytes", mapping.MaxValue))
	}
	if !json.Valid(body) || !gjson.ParseBytes(body).IsObject() {
		return nil, x.garbage("broken JSON")
	}
	return body, nil
}

// relayError answers with an error of the member.
func (x *exchange) relayError(ctx context.Context, resp *http.Response) error {
	body, err := x.readError(ctx, resp)
	if err != nil {
		return err
	}
	x.answerError(resp, body)
	return nil
}

func (x *exchange) readError(ctx context.Context, resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(&progressReader{x: x, r: resp.Body}, maxErrorBody))
	if err != nil {
		return nil, x.memberError(ctx, err)
	}
	return body, nil
}

// answerError answers with an error of the member whose body was read.
func (x *exchange) answerError(resp *http.Response, body []byte) {
	if !isJSON(resp.Header.Get("Content-Type")) || !json.Valid(body) || !mapping.IsStatus(body) {
		status := apierrors.NewGenericServerResponse(resp.StatusCode, string(x.request.Verb), x.request.GroupResource(),
			x.request.Name, "", 0, true).ErrStatus
		status.Message = fmt.Sprintf("member cluster %q: %s", x.target.Cluster, status.Message)
		x.writeStatus(status)
		return
	}
	x.copyHeader(resp)
	x.w.Header().Set("Content-Type", jsonType)
	x.write(resp.StatusCode, x.target.View.StatusOut(body))
}

// progressReader reads from a member and extends the exchange's bound with every piece.
type progressReader struct {
	x *exchange
	r io.Reader
}

// Read reads the next piece.
func (p *progressReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	if n > 0 {
		p.x.progress()
	}
	return n, err
}

// recorder remembers how an answer began.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader begins the answer.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write writes a piece of the answer.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) began() bool { return r.status != 0 }

// code returns the status of the answer; one that never began counts as broken off by the server.
func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusInternalServerError
	}
	return r.status
}
