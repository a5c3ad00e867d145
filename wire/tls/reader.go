package tls

// reader takes numbers and vectors off the front of bytes (RFC 8446 section 3). What is not there is nil, or zero, and
// nothing is there behind it.
type reader struct{ rest []byte }

// bytes takes n bytes. They are never nil when they are there.
func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.rest = nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	if b == nil {
		b = []byte{}
	}
	return b
}

// number takes a number of so many bytes.
func (r *reader) number(size int) int {
	n := 0
	for _, b := range r.bytes(size) {
		n = n<<8 | int(b)
	}
	return n
}

// vector takes bytes behind their length, which is of so many bytes.
func (r *reader) vector(size int) []byte {
	if len(r.rest) < size {
		r.rest = nil
		return nil
	}
	return r.bytes(r.number(size))
}

// extensions visits the extensions of a hello, which may have none, and must end with them.
func (r *reader) extensions(visit func(kind int, e reader) bool) bool {
	if len(r.rest) == 0 {
		return true
	}
	list := reader{r.vector(2)}
	if list.rest == nil || len(r.rest) > 0 {
		return false
	}
	for len(list.rest) > 0 {
		kind := list.number(2)
		body := list.vector(2)
		if body == nil || !visit(kind, reader{body}) {
			return false
		}
	}
	return true
}
