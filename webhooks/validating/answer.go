package validating

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"

	admissionv1 "k8s.io/api/admission/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/cellfed/cellfed/internal/validation"
	"github.com/cellfed/cellfed/internal/wire"
)

const (
	// maxWarnings is how many warnings an answer has.
	maxWarnings = 10
	// maxText is how much text they have together. An API server passes on 4096 characters, of all webhooks together, and
	// shortens each warning to 256 where there is more (k8s.io/apiserver, the filter for warnings); the end is where the way out is.
	maxText    = 3072
	maxWarning = 256
	// ellipsis ends what is shortened.
	ellipsis = "..."
)

// unread is what no rule asks about.
var unread = wire.Without{"metadata": {"managedFields": nil}}

// errMalformed means that the request holds no object that can be read.
var errMalformed = errors.New("the object cannot be read")

// decision says what is wrong with a request. An error means that it cannot tell.
type decision func(context.Context, admission.Request) (validation.Result, error)

// answering makes a handler of a decision.
func answering(decide decision) admission.HandlerFunc {
	return func(ctx context.Context, request admission.Request) admission.Response {
		result, err := decide(ctx, request)
		switch {
		case errors.Is(err, errMalformed):
			return admission.Errored(http.StatusBadRequest, err)
		case err != nil:
			return admission.Errored(http.StatusInternalServerError, fmt.Errorf("cellfed cannot tell whether this may be written: %w: try again", err))
		}
		return answer(request, result)
	}
}

// answer refuses what has errors, each of them with its field.
func answer(request admission.Request, result validation.Result) admission.Response {
	response := admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Allowed: true}}
	if len(result.Errors) > 0 {
		kind := schema.GroupKind{Group: request.Kind.Group, Kind: request.Kind.Kind}
		status := apierrors.NewInvalid(kind, request.Name, result.Errors).Status()
		response.Allowed, response.Result = false, &status
	}
	response.Warnings = warnings(result.Warnings)
	return response
}

// warnings keeps what there is to say to what an API server passes on.
func warnings(all []string) []string {
	rest := len(all) - maxWarnings
	if rest > 0 {
		all = all[:maxWarnings]
	}
	var short []string
	length := 0
	for _, text := range all {
		// A warning is a header: it has one line.
		text = strings.Join(strings.Fields(text), " ")
		length += len(text)
		short = append(short, text)
	}
	if length > maxText {
		for i := range short {
			short[i] = shorten(short[i])
		}
	}
	if rest > 0 {
		short = append(short, fmt.Sprintf("and %d more", rest))
	}
	return short
}

// shorten cuts between characters.
func shorten(text string) string {
	if len(text) <= maxWarning {
		return text
	}
	end := maxWarning - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// typed reads the object and the old object of a request. One that the operation does not have is nil.
func typed[T any](request admission.Request) (object, old *T, err error) {
	if object, err = decode[T](request.Object); err != nil {
		return nil, nil, err
	}
	if old, err = decode[T](request.OldObject); err != nil {
		return nil, nil, err
	}
	var missing string
	switch request.Operation {
	case admissionv1.Create:
		if object == nil {
			missing = "object"
		}
	case admissionv1.Update:
		if object == nil || old == nil {
			missing = "object or oldObject"
		}
	case admissionv1.Delete:
		if old == nil {
			missing = "oldObject"
		}
	default:
		return nil, nil, fmt.Errorf("%w: the operation %s has none", errMalformed, request.Operation)
	}
	if missing != "" {
		return nil, nil, fmt.Errorf("%w: a request to %s has no %s", errMalformed, request.Operation, missing)
	}
	return object, old, nil
}

func decode[T any](raw runtime.RawExtension) (*T, error) {
	if len(raw.Raw) == 0 {
		return nil, nil
	}
	into := new(T)
	var err error
	if object, ok := any(into).(*unstructured.Unstructured); ok {
		var read *unstructured.Unstructured
		if read, err = wire.Object(raw.Raw, unread); err == nil {
			*object = *read
		}
	} else {
		err = json.Unmarshal(raw.Raw, into)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return into, nil
}
