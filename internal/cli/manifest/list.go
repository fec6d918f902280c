package manifest

import (
	"strings"

	"github.com/tidwall/gjson"
)

// isList reports whether the document is a List, or what an API server answers who is asked for all objects of a kind, as
// FederatedDeploymentList.
func (d *Document) isList() bool {
	object, err := d.Object()
	return err == nil && object.IsList() && strings.HasSuffix(object.GetKind(), "List")
}

// itemsOf returns the items of a List as they are written.
func itemsOf(list []byte) [][]byte {
	var items [][]byte
	for _, item := range gjson.GetBytes(list, "items").Array() {
		items = append(items, []byte(item.Raw))
	}
	return items
}

// MapItems returns a List with each of its items made into another one, all else as it is. It reports false for what is no
// List.
func (d *Document) MapItems(each func(item []byte) ([]byte, error)) (list []byte, ok bool, err error) {
	if !d.isList() {
		return nil, false, nil
	}
	all := gjson.GetBytes(d.JSON, "items")
	dst := append([]byte{}, d.JSON[:all.Index]...)
	dst = append(dst, '[')
	for i, item := range itemsOf(d.JSON) {
		if i > 0 {
			dst = append(dst, ',')
		}
		content, err := each(item)
		if err != nil {
			return nil, true, err
		}
		dst = append(dst, content...)
	}
	dst = append(dst, ']')
	return append(dst, d.JSON[all.Index+len(all.Raw):]...), true, nil
}
