package site

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// value ties a part of the file to a Go value, both ways: what is read, what is written and what is documented follow from
// one table (keys.go).
type value interface {
	standard()                                // sets the Go value to what holds without the key
	read(r *reader, key string, n *yaml.Node) // sets it to what the file says
	node(w *writer, path string) *yaml.Node   // writes it; nil when it is the standard
}

// codec turns text into a value and back. Its errors say what to write instead, without the text.
type codec[T any] struct {
	parse func(string) (T, error)
	print func(T) string
}

// entry is the key of a line of something in a map.
type entry struct{ in, key any }

type scalar[T comparable] struct {
	to    *T
	codec codec[T]
	or    T
}

// one is a single value, and or what it is when the file does not say.
func one[T comparable](to *T, c codec[T], or T) value { return scalar[T]{to, c, or} }

func (v scalar[T]) standard() { *v.to = v.or }

func (v scalar[T]) read(r *reader, key string, n *yaml.Node) {
	r.lines[v.to] = n.Line
	if x, ok := parsed(r, key, n, v.codec); ok {
		*v.to = x
	}
}

func (v scalar[T]) node(*writer, string) *yaml.Node {
	if *v.to == v.or {
		return nil
	}
	return plain(v.codec.print(*v.to))
}

// parsed reads one scalar.
func parsed[T any](r *reader, key string, n *yaml.Node, c codec[T]) (x T, ok bool) {
	if !r.shaped(key, n, yaml.ScalarNode, "one value") {
		return x, false
	}
	x, err := c.parse(n.Value)
	if err != nil {
		r.fail(n.Line, "%s: %v", key, err)
	}
	return x, err == nil
}

// maxList bounds a list of values.
const maxList = 1000

type list[S ~[]T, T any] struct {
	to     *S
	codec  codec[T]
	single bool
}

// many is a list in which nothing stands twice.
func many[S ~[]T, T any](to *S, c codec[T]) value { return list[S, T]{to, c, false} }

// few is a list of which a single member may stand alone.
func few[S ~[]T, T any](to *S, c codec[T]) value { return list[S, T]{to, c, true} }

func (v list[S, T]) standard() { *v.to = nil }

func (v list[S, T]) read(r *reader, key string, n *yaml.Node) {
	r.lines[v.to] = n.Line
	items := n.Content
	if v.single && n.Kind == yaml.ScalarNode {
		items = []*yaml.Node{n}
	} else if !r.shaped(key, n, yaml.SequenceNode, "a list, in [ ] with commas") {
		return
	}
	if len(items) == 0 {
		r.fail(n.Line, "%s: the list is empty; leave the key out", key)
		return
	}
	if len(items) > maxList {
		r.fail(n.Line, "%s: more than %d", key, maxList)
		return
	}
	*v.to = make(S, len(items)) // at once: lines are kept by pointers into it
	seen := map[string]bool{}
	for i, item := range items {
		r.lines[&(*v.to)[i]] = item.Line
		x, ok := parsed(r, key, item, v.codec)
		if !ok {
			continue
		}
		(*v.to)[i] = x
		if text := v.codec.print(x); seen[text] {
			r.fail(item.Line, "%s: %s stands here twice; once is enough", key, shown(text))
		} else {
			seen[text] = true
		}
	}
}

func (v list[S, T]) node(*writer, string) *yaml.Node {
	if len(*v.to) == 0 {
		return nil
	}
	if v.single && len(*v.to) == 1 {
		return plain(v.codec.print((*v.to)[0]))
	}
	n := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
	for _, x := range *v.to {
		n.Content = append(n.Content, plain(v.codec.print(x)))
	}
	return n
}

type table[K comparable, V any] struct {
	to    *map[K]V
	keys  codec[K]
	inner func(*V) value
}

// byName is a map whose keys are the operator's.
func byName[K comparable, V any](to *map[K]V, keys codec[K], inner func(*V) value) value {
	return table[K, V]{to, keys, inner}
}

func (v table[K, V]) standard() { *v.to = nil }

func (v table[K, V]) read(r *reader, key string, n *yaml.Node) {
	if !r.shaped(key, n, yaml.MappingNode, "names with values") {
		return
	}
	*v.to = map[K]V{}
	for k, child := range r.pairs(key, n) {
		name, ok := parsed(r, key, k, v.keys)
		if !ok {
			continue
		}
		if _, twice := (*v.to)[name]; twice {
			r.fail(k.Line, "%s: %s stands here twice", key, shown(k.Value))
			continue
		}
		r.lines[entry{v.to, name}] = k.Line
		x := new(V)
		inner := v.inner(x)
		inner.standard()
		inner.read(r, key+": "+shown(k.Value), child)
		(*v.to)[name] = *x
	}
	if len(n.Content) == 0 {
		r.fail(n.Line, "%s: nothing is in it; leave the key out", key)
	}
}

func (v table[K, V]) node(w *writer, path string) *yaml.Node {
	if len(*v.to) == 0 {
		return nil
	}
	byText := map[string]K{}
	var order []string
	for k := range *v.to {
		text := v.keys.print(k)
		byText[text] = k
		order = append(order, text)
	}
	slices.Sort(order)
	n := &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle}
	for _, text := range order {
		x := (*v.to)[byText[text]]
		child := v.inner(&x).node(w, path+"."+text)
		if child == nil {
			continue // an empty one says nothing
		}
		name := w.key(text, path+"."+text)
		if child.Kind == yaml.MappingNode || name.HeadComment != "" {
			n.Style = 0 // a line each: a comment has its own
		}
		n.Content = append(n.Content, name, child)
	}
	return n
}
