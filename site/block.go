package site

import "go.yaml.in/yaml/v3"

// field is one key of a block.
type field struct {
	key   string
	value value
	need  string // how to write it, of a key that has to be there; "" of others
	note  string // for a person who reads a written file
}

// block is a group of keys that belong together.
type block struct {
	what   string // of what, with its article: "a party"
	at     any    // pointer to the Go value: where its line is kept
	fields []field
	flow   bool // it is short and written on one line
}

func (b block) standard() {
	for _, f := range b.fields {
		f.value.standard()
	}
}

func (b block) read(r *reader, key string, n *yaml.Node) {
	r.lines[b.at] = n.Line
	where := key
	if where == "" {
		where = "the file"
	}
	if !r.shaped(where, n, yaml.MappingNode, "keys with values ("+b.fields[0].key+": …)") {
		return
	}
	seen := map[string]bool{}
	for k, child := range r.pairs(b.what, n) {
		f := b.field(k.Value)
		if f == nil {
			r.fail(k.Line, "%s", unknown(k.Value, b))
			continue
		}
		seen[f.key] = true
		f.value.read(r, f.key, child)
	}
	for _, f := range b.fields {
		if f.need != "" && !seen[f.key] {
			r.fail(n.Line, "%s needs the key %s; for example  %s", b.what, f.key, f.need)
		}
	}
}

func (b block) field(key string) *field {
	for i := range b.fields {
		if b.fields[i].key == key {
			return &b.fields[i]
		}
	}
	return nil
}

func (b block) node(w *writer, path string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.MappingNode}
	if b.flow {
		n.Style = yaml.FlowStyle
	}
	for _, f := range b.fields {
		at := f.key
		if path != "" {
			at = path + "." + f.key
		}
		child := f.value.node(w, at)
		if child == nil {
			continue
		}
		key := w.key(f.key, at)
		if path == "" {
			key.HeadComment = joined("\n"+comment(f.note), key.HeadComment)
		}
		n.Content = append(n.Content, key, child)
	}
	if len(n.Content) == 0 {
		return nil
	}
	return n
}

// maxBlocks bounds what is compared with each other.
const maxBlocks = 5000

type blocks[T any] struct {
	to    *[]T
	block func(*T) block
}

// each is a list of blocks. The first key of each is its name.
func each[T any](to *[]T, b func(*T) block) value { return blocks[T]{to, b} }

func (v blocks[T]) standard() { *v.to = nil }

func (v blocks[T]) read(r *reader, key string, n *yaml.Node) {
	if !r.shaped(key, n, yaml.SequenceNode, "a list: lines that begin with  - name: …") {
		return
	}
	r.lines[v.to] = n.Line
	if len(n.Content) > maxBlocks {
		r.fail(n.Line, "%s: more than %d", key, maxBlocks)
		return
	}
	*v.to = make([]T, len(n.Content)) // at once: lines are kept by pointers into it
	for i, item := range n.Content {
		b := v.block(&(*v.to)[i])
		b.standard()
		b.read(r, key, item)
	}
	if len(n.Content) == 0 {
		r.fail(n.Line, "%s: the list is empty; leave the key out", key)
	}
}

func (v blocks[T]) node(w *writer, path string) *yaml.Node {
	if len(*v.to) == 0 {
		return nil
	}
	n := &yaml.Node{Kind: yaml.SequenceNode}
	for i := range *v.to {
		b := v.block(&(*v.to)[i])
		name := ""
		if first := b.fields[0].value.node(w, ""); first != nil {
			name = first.Value
		}
		at := path + "." + name
		item := b.node(w, at)
		if item == nil {
			continue
		}
		item.HeadComment = comment(w.comments[at])
		if i > 0 {
			item.HeadComment = "\n" + item.HeadComment // a blank line between them
		}
		n.Content = append(n.Content, item)
	}
	return n
}
