// Package convert is the verb that turns manifests of federated objects from one version into the other.
package convert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"
	"k8s.io/cli-runtime/pkg/genericiooptions"

	"github.com/cellfed/cellfed/internal/cli/exit"
	"github.com/cellfed/cellfed/internal/cli/kube"
	"github.com/cellfed/cellfed/internal/cli/manifest"
	"github.com/cellfed/cellfed/internal/federated"
)

const long = `Convert federated objects in manifests from one version to the other, without a cluster.

The conversion is the one that the host cluster's API server asks cellfed for: it
looks at the object alone and loses nothing, so that what is converted back says the
same. v1beta1 is upstream KubeFed's version, which names clusters; v2beta1 is
cellfed's, which names topologies, such as cells.

Documents of other kinds, and objects that are in the version already, are printed as
they are written. Of an object that is converted, the order of the keys is kept and
the comments before it; comments within it are lost. A List is converted item by item.

Nothing is printed unless every document can be converted. The names of cells in
v1beta1 depend on the object's namespace: an object without metadata.namespace is
taken to be in the namespace of --namespace, if that is given, for the conversion.`

const example = `  # Print a manifest of upstream KubeFed's in the words of cellfed
  kubectl cells convert -f federated-deployment.yaml --to v2beta1

  # Everything in a directory and those below it, as KubeFed's own tools read it
  kubectl cells convert -f deploy/ -R --to v1beta1

  # What is stored in the cluster
  kubectl get federateddeployments -o yaml | kubectl cells convert -f - --to v1beta1`

// Options are what the verb is told.
type Options struct {
	genericiooptions.IOStreams
	Files manifest.Files
	// To is the version to convert to.
	To string
	// Output is yaml or json; empty is what the documents are written in.
	Output string
	// Namespace is that of objects that name none. Empty leaves them without.
	Namespace string
}

// New returns the command.
func New(k *kube.Kube) *cobra.Command {
	o := &Options{IOStreams: k.IOStreams}
	cmd := &cobra.Command{
		Use:     "convert -f FILE --to VERSION",
		Short:   "Convert federated objects in manifests between v1beta1 and v2beta1",
		Long:    long,
		Example: example,
		Args:    cobra.NoArgs,

		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(_ *cobra.Command, _ []string) error {
			if k.Flags != nil && k.Flags.Namespace != nil {
				o.Namespace = *k.Flags.Namespace
			}
			o.IOStreams = k.IOStreams
			if err := o.Validate(); err != nil {
				return err
			}
			return o.Run()
		},
	}
	o.Files.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&o.To, "to", "", "Version to convert to: v1beta1 or v2beta1.")
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "How to print: yaml or json. Without it each document stays what it is.")
	complete := func(flag string, words ...string) {
		// It fails for a flag that is not there or completed already: neither can be.
		_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("to", federated.V1Beta1, federated.V2Beta1)
	complete("output", "yaml", "json")
	return cmd
}

// Validate refuses what cannot be meant.
func (o *Options) Validate() error {
	switch o.To {
	case federated.V1Beta1, federated.V2Beta1:
	case "":
		return exit.Usagef("--to is missing: name the version to convert to, %s or %s", federated.V1Beta1, federated.V2Beta1)
	default:
		return exit.Usagef("--to %q is no version of federated objects: use %s or %s", o.To, federated.V1Beta1, federated.V2Beta1)
	}
	switch o.Output {
	case "", "yaml", "json":
	default:
		return exit.Usagef("--output %q is not known: use yaml or json", o.Output)
	}
	return o.Files.Required()
}

// Run prints the converted documents, all or none.
func (o *Options) Run() error {
	documents, err := o.Files.Read(o.In)
	if err != nil {
		return err
	}
	var failed []error
	var out printer
	for i := range documents {
		if err := o.document(&out, &documents[i]); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", &documents[i], err))
		}
	}
	if len(failed) > 0 {
		return exit.Reasons("nothing was converted", failed)
	}
	if _, err := io.Copy(o.Out, &out.text); err != nil {
		return fmt.Errorf("write the output: %w", err)
	}
	return nil
}

// document prints one document.
func (o *Options) document(out *printer, d *manifest.Document) error {
	switch {
	case d.Err != nil:
		return d.Err
	case d.Empty():
		// JSON has no comments.
		if o.Output != "json" {
			out.comment(d)
		}
		return nil
	}
	converted, changed, err := o.content(d)
	if err != nil {
		return err
	}
	if json := o.Output == "json" || o.Output == "" && d.Format == manifest.JSON; json {
		return out.json(converted)
	}
	if !changed && d.Format == manifest.YAML {
		out.yaml(d.Text)
		return nil
	}
	text, err := manifest.AppendYAML(d.Comments(), converted)
	if err != nil {
		return err
	}
	out.yaml(text)
	return nil
}

// content returns the document's content in the version.
func (o *Options) content(d *manifest.Document) (content []byte, changed bool, err error) {
	list, isList, err := d.MapItems(func(item []byte) ([]byte, error) {
		converted, is, err := o.object(item)
		changed = changed || is
		return converted, err
	})
	if !isList {
		return o.object(d.JSON)
	}
	if err != nil {
		return nil, false, err
	}
	// The list of a federated kind has the version too.
	list, is, err := o.object(list)
	return list, changed || is, err
}

// object returns an object in the version. What is no federated object stays as it is.
func (o *Options) object(src []byte) (converted []byte, changed bool, err error) {
	version, ok := strings.CutPrefix(gjson.GetBytes(src, "apiVersion").String(), federated.Group+"/")
	if !ok || version == o.To {
		return src, false, nil
	}
	named, restore := o.named(src)
	converted, err = federated.Convert(named, o.To)
	if err != nil {
		object := gjson.GetManyBytes(src, "kind", "metadata.name")
		return nil, false, fmt.Errorf("%s %q: %w", object[0].String(), object[1].String(), err)
	}
	return restore(converted), true, nil
}

// named returns an object with the namespace that it is going to be in, and what takes it out again.
func (o *Options) named(src []byte) (named []byte, restore func([]byte) []byte) {
	metadata := gjson.GetBytes(src, "metadata")
	if o.Namespace == "" || !metadata.IsObject() || metadata.Get("namespace").Exists() || metadata.Index == 0 {
		return src, func(converted []byte) []byte { return converted }
	}
	value, err := json.Marshal(o.Namespace)
	if err != nil {
		panic(err) // Strings marshal.
	}
	member := append([]byte(`"namespace":`), value...)
	if len(metadata.Map()) > 0 {
		member = append(member, ',')
	}
	at := metadata.Index + 1
	named = append(append(append([]byte{}, src[:at]...), member...), src[at:]...)
	return named, func(converted []byte) []byte {
		at := gjson.GetBytes(converted, "metadata").Index + 1
		return append(append([]byte{}, converted[:at]...), converted[at+len(member):]...)
	}
}

// printer collects what is printed.
type printer struct {
	text bytes.Buffer
	// divide says that a document of YAML has to be divided from what is there.
	divide bool
}

func (p *printer) yaml(text []byte) {
	if p.divide {
		p.text.WriteString("---\n")
	}
	p.divide = true
	p.text.Write(text)
	if !bytes.HasSuffix(text, []byte("\n")) {
		p.text.WriteByte('\n')
	}
}

// comment keeps a document that is nothing but comments.
func (p *printer) comment(d *manifest.Document) {
	if len(bytes.TrimSpace(d.Text)) > 0 {
		p.yaml(d.Text)
	}
}

// json needs no divider beside JSON, and one beside YAML.
func (p *printer) json(content []byte) error {
	var b bytes.Buffer
	if err := json.Indent(&b, content, "", "    "); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	b.WriteByte('\n')
	if p.divide {
		p.yaml(b.Bytes())
		return nil
	}
	p.text.Write(b.Bytes())
	return nil
}
