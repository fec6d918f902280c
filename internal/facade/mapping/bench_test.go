package mapping

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

// BenchmarkCopyList measures what a list costs the façade beyond carrying it: objects of 4 KiB as API servers write them.
func BenchmarkCopyList(b *testing.B) {
	one := `{"metadata":{"name":"a","namespace":"acme-rz","uid":"u","resourceVersion":"7","labels":{` + ownLabelsJSON + `},` +
		`"managedFields":[{"manager":"m","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z","fieldsType":"FieldsV1",` +
		`"fieldsV1":{"f:data":{".":{},"f:x":{}},"f:metadata":{"f:labels":{".":{},"f:cellfed.io/managed":{},"f:cellfed.io/namespace":{},"f:cellfed.io/cell":{}}}}}]},` +
		`"data":{"x":"` + strings.Repeat("0123456789abcdef", 210) + `"}}`
	list := []byte(`{"kind":"ConfigMapList","apiVersion":"v1","metadata":{},"items":[` + strings.Repeat(one+",", 499) + one + `]}`)
	b.SetBytes(int64(len(list)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := testView.CopyList(io.Discard, bytes.NewReader(list), configMaps, &Route{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdate measures an update of 4 KiB on its way in and out.
func BenchmarkUpdate(b *testing.B) {
	body := []byte(`{"metadata":{"name":"a","namespace":"acme","resourceVersion":"7","labels":{"kubefed.io/managed":"true"}},"data":{"x":"` +
		strings.Repeat("0123456789abcdef", 250) + `"}}`)
	state := &State{Owner: Ours, UID: "u", ResourceVersion: "7"}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		mapped, err := testView.In(Update, configMaps, body, state)
		if err != nil {
			b.Fatal(err)
		}
		if out, _ := testView.ObjectOut(configMaps, mapped.JSON, false); out == nil {
			b.Fatal("it is not shown")
		}
	}
}
