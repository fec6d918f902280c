package conversion

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/tidwall/gjson"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	"github.com/cellfed/cellfed/internal/federated"
)

const reviewKind = "ConversionReview"

// minObjectBytes is the length of the shortest object that can be converted.
const minObjectBytes = len(`{"apiVersion":"` + federated.APIVersionV1Beta1 + `"}`)

var reviewAPIVersion = apiextensionsv1.SchemeGroupVersion.String()

// review is what matters of a ConversionReview. Its strings are parts of the request's body.
type review struct {
	// uid is raw JSON: a string that is not empty.
	uid string
	// to is the version asked for.
	to string
	// objects are raw JSON, of any type, up to the first that is too short to be converted.
	objects []string
}

// reject is a request that gets an HTTP error, because it is no review that could be answered.
type reject struct {
	status int
	reason reason
	msg    string
}

func (r *reject) Error() string { return r.msg }

func rejectf(status int, why reason, format string, args ...any) error {
	return &reject{status: status, reason: why, msg: fmt.Sprintf(format, args...)}
}

// failure is a review that is answered as failed.
type failure struct {
	reason reason
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failf(why reason, format string, args ...any) error {
	return &failure{reason: why, err: fmt.Errorf(format, args...)}
}

// parseReview reads a review without reading its objects. body must be JSON. Fields that occur more than once count as
// they do for encoding/json: the last one. A reject comes without a review, a failure with one that has a uid.
func parseReview(body string) (review, error) {
	if !gjson.Parse(body).IsObject() {
		return review{}, rejectf(http.StatusBadRequest, reasonNotReview, "the body is not an object: send a %s of %s", reviewKind, reviewAPIVersion)
	}
	var apiVersion, kind, request gjson.Result
	gjson.Parse(body).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "apiVersion":
			apiVersion = value
		case "kind":
			kind = value
		case "request":
			request = value
		}
		return true
	})
	if apiVersion.String() != reviewAPIVersion || kind.String() != reviewKind {
		return review{}, rejectf(http.StatusBadRequest, reasonNotReview, "the body is a %.100q of %.100q: only %s of %s is spoken here, so conversionReviewVersions must be [%q]",
			kind.String(), apiVersion.String(), reviewKind, reviewAPIVersion, apiextensionsv1.SchemeGroupVersion.Version)
	}
	if !request.IsObject() {
		return review{}, rejectf(http.StatusBadRequest, reasonNoRequest, "request is missing or not an object: a review asks something")
	}
	return parseRequest(request)
}

func parseRequest(request gjson.Result) (review, error) {
	var uid, desired, objects gjson.Result
	request.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "uid":
			uid = value
		case "desiredAPIVersion":
			desired = value
		case "objects":
			objects = value
		}
		return true
	})
	if uid.Type != gjson.String || uid.Str == "" {
		return review{}, rejectf(http.StatusBadRequest, reasonNoUID, "request.uid is missing, empty or not a string: an answer must carry it")
	}
	r := review{uid: uid.Raw}
	if desired.Type != gjson.String || desired.Str == "" {
		return r, failf(reasonVersion, "request.desiredAPIVersion is missing, empty or not a string: use %s or %s", federated.APIVersionV1Beta1, federated.APIVersionV2Beta1)
	}
	to, err := federated.ParseAPIVersion(desired.Str)
	if err != nil {
		return r, failf(reasonVersion, "request.desiredAPIVersion: %w", err)
	}
	r.to = to
	switch {
	case objects.IsArray():
		objects.ForEach(func(_, object gjson.Result) bool {
			r.objects = append(r.objects, object.Raw)
			// The review fails there, and many tiny values would fill the memory.
			return len(object.Raw) >= minObjectBytes
		})
	case !objects.Exists():
		return r, failf(reasonObjects, "request.objects is missing: it must be a list of objects")
	case objects.Type != gjson.Null:
		return r, failf(reasonObjects, "request.objects is not a list: it must be a list of objects")
	}
	return r, nil
}

// describe names an object for a message: its place in the request, its kind, namespace and name.
func describe(index int, object string) string {
	o := gjson.Parse(object)
	if !o.IsObject() {
		return fmt.Sprintf("request.objects[%d]", index)
	}
	name := o.Get("metadata.name").String()
	if namespace := o.Get("metadata.namespace").String(); namespace != "" {
		name = namespace + "/" + name
	}
	return fmt.Sprintf("request.objects[%d] (%.100s %.320s)", index, o.Get("kind").String(), name)
}

// appendHead and appendTail write what is before and after the converted objects of a review that succeeded.
func appendHead(dst []byte, uid string) []byte {
	dst = append(dst, `{"kind":"ConversionReview","apiVersion":"apiextensions.k8s.io/v1","response":{"uid":`...)
	dst = append(dst, uid...)
	return append(dst, `,"convertedObjects":[`...)
}

func appendTail(dst []byte) []byte {
	return append(dst, `],"result":{"metadata":{},"status":"Success"}}}`...)
}

// failed returns the answer to a review that failed.
func failed(uid string, cause error) ([]byte, error) {
	answer := apiextensionsv1.ConversionReview{
		TypeMeta: metav1.TypeMeta{Kind: reviewKind, APIVersion: reviewAPIVersion},
		Response: &apiextensionsv1.ConversionResponse{
			UID:              types.UID(gjson.Parse(uid).Str),
			ConvertedObjects: []runtime.RawExtension{},
			Result:           metav1.Status{Status: metav1.StatusFailure, Message: cause.Error(), Reason: metav1.StatusReasonInvalid},
		},
	}
	if f := (*failure)(nil); errors.As(cause, &f) && f.reason == reasonPanic {
		answer.Response.Result.Reason = metav1.StatusReasonInternalError
	}
	return json.Marshal(answer)
}
