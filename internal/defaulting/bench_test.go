package defaulting_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cellfed/cellfed/internal/defaulting"
)

// BenchmarkFederated gives defaults to an object of a size, whose template is changed where the mask's default has to tell.
func BenchmarkFederated(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		var content []string
		for i := range size / 32 {
			content = append(content, fmt.Sprintf(`"key-%08d":"value-%08d"`, i, i))
		}
		object := func(last string) []byte {
			template := `"template":{"data":{` + strings.Join(content, ",") + `,"z":"` + last + `"}}`
			return []byte(v2(`{"name":"a","labels":{"cellfed.io/tenant":"acme","cellfed.io/workspace-group":"prod"}}`, `{`+template+`}`))
		}
		old, now := object("1"), object("2")
		for _, mask := range defaulting.MaskDefaults() {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, mask), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := defaulting.Federated(now, old, defaulting.Facts{NamespaceLabels: acme, Propagated: true, Mask: mask}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
